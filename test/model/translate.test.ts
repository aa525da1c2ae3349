import { describe, expect, it } from "vitest";
import { aRequest, asking, ENVIRONMENTS, NEVER } from "./asking.ts";
import { startFakeModel } from "./fake-model-server.ts";

describe("a model", () => {
  it.each(Object.keys(ENVIRONMENTS))("of %s translates an action, and is asked once for the same", async (provider) => {
    await using server = await startFakeModel();
    await using asked = asking(server.url, provider);
    const result = await asked.translator.translate(aRequest(), NEVER);
    expect(result).toMatchObject({ kind: "translated", by: { kind: "model", model: `${provider}/fake`, prompt: "1" } });
    const text = JSON.stringify(result);
    expect(text).toContain("path=value");
    expect(await asked.translator.translate(aRequest(), NEVER)).toEqual(result);
    expect(server.requests).toBe(1);
    expect(asked.translator.use).toMatchObject({ requests: 1, cacheHits: 1, tokens: 550, cacheFaults: 0 });
  });

  it("may put its JSON into a fence, or refuse schemas", async () => {
    for (const mode of ["fenced", "no-schemas", "no-schemas-500"] as const) {
      await using server = await startFakeModel({ mode });
      await using asked = asking(server.url);
      expect(await asked.translator.translate(aRequest(), NEVER)).toMatchObject({ kind: "translated" });
      expect(server.requests).toBe(mode === "fenced" ? 1 : 2);
    }
  });

  it("may leave line breaks and tabs in its texts as they are, as llama.cpp's grammars let it", async () => {
    const step = { id: "main", name: "n", shell: "bash", run: "true", if: "", working_directory: "", env: [] };
    const answer = { steps: [{ ...step, run: 'echo "one"\n\techo two' }], outputs: [], inputs_used: [] };
    const raw = JSON.stringify(answer).replaceAll("\\n", "\n").replaceAll("\\t", "\t");
    expect(() => JSON.parse(raw)).toThrow(SyntaxError);
    await using server = await startFakeModel({ answer: () => raw });
    await using asked = asking(server.url);
    const result = await asked.translator.translate(aRequest({ outputsUsed: [] }), NEVER);
    expect(result).toMatchObject({
      kind: "translated",
      manifest: expect.stringMatching(/echo "one"\n +\techo two\n/u),
    });
  });

  it("is asked once more with what was wrong, and then no more", async () => {
    await using mending = await startFakeModel({ mode: (nth) => (nth === 1 ? "prose" : "good") });
    await using first = asking(mending.url);
    expect(await first.translator.translate(aRequest(), NEVER)).toMatchObject({ kind: "translated" });
    expect(mending.bytes.toString()).toContain("That cannot be used: schema: the answer is not one JSON object");

    await using never = await startFakeModel({ mode: "wrong-schema" });
    await using second = asking(never.url);
    const result = await second.translator.translate(aRequest(), NEVER);
    expect(result.kind).toBe("failed");
    expect(JSON.stringify(result)).toContain("schema: the answer does not keep to the schema");
    expect(never.requests).toBe(2);
  });

  it("is not asked where none is configured, or it is configured wrongly", async () => {
    for (const [env, reason] of [
      [{ LLM_PROVIDER: "off" }, "no model is configured"],
      [{ LLM_PROVIDER: "clippy" }, "$LLM_PROVIDER is none of"],
      [{ LLM_BASE_URL: "ftp://a" }, "address"],
      [{ LLM_BASE_URL: "http://u:p@a/" }, "address"],
      [{ LLM_MODEL: "a b" }, "no model is named"],
      [{ HEARTH_LLM_TOKENS: "many" }, "$HEARTH_LLM_TOKENS"],
      [{ HEARTH_CACHE_URL: "http://a" }, "$HEARTH_CACHE_URL"],
    ] as const) {
      await using asked = asking("http://127.0.0.1:9", "openai", { env });
      const result = await asked.translator.translate(aRequest(), NEVER);
      expect(result.kind).toBe("failed");
      expect(JSON.stringify(result)).toContain(reason);
    }
  });
});
