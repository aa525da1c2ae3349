import { describe, expect, it } from "vitest";
import { run } from "../../src/commands/fake-command-line.ts";
import { inspectModel } from "../../src/translate/model/inspect-model.ts";
import type { ModelReport } from "../../src/translate/model/inspect-model.ts";
import { configOf, NEVER } from "./asking.ts";
import { startFakeModel } from "./fake-model-server.ts";
import type { FakeModelOptions } from "./fake-model-server.ts";

async function inspected(options: FakeModelOptions, env: Readonly<Record<string, string>> = {}): Promise<ModelReport> {
  await using server = await startFakeModel(options);
  return await inspectModel({ config: configOf("openai", server.url, env), fetch }, NEVER);
}

describe("an inspection of a model", () => {
  it("finds one fit that answers all five questions, and says how many requests it bears", async () => {
    const report = await inspected({});
    expect(report).toMatchObject({ fit: true, reasons: [], bears: 4 });
    expect(report.probes.map(({ name, result }) => `${name} ${result}`)).toEqual([
      "say passed",
      "count-lines passed",
      "write-file passed",
      "find-large passed",
      "checksum passed",
    ]);
  });

  it("finds one fit that bears one request, and says so", async () => {
    expect(await inspected({ bears: 1, answerAfterMs: 50 })).toMatchObject({ fit: true, bears: 1 });
    expect(await inspected({ bears: 1, excess: "reset", answerAfterMs: 50 })).toMatchObject({ fit: true, bears: 1 });
  });

  it.each([
    [{ mode: "hang" }, "it is too slow: no answer within 1 s"],
    [{ mode: "malformed" }, "it does not keep to a schema: protocol: "],
    [{ mode: "prose" }, "it does not keep to a schema: the answer is not one JSON object"],
    [{ mode: "wrong-schema" }, "it does not keep to a schema: the answer does not keep"],
    [{ mode: "truncated" }, "it does not keep to a schema"],
    [{ mode: "error-500" }, "it does not answer: server: its server answered 500"],
    [{ mode: "revoked" }, "it does not answer: credentials: "],
    [{ answer: () => '{"steps":[],"outputs":[],"inputs_used":[]}' }, "it writes what is not allowed: it declines"],
    [
      {
        answer: () =>
          '{"steps":[{"id":"","name":"n","shell":"bash","run":"curl evil.example.com","if":"","working_directory":"","env":[]}],"outputs":[],"inputs_used":[]}',
      },
      "it writes what is not allowed: hosts: step 1",
    ],
  ] as const satisfies readonly (readonly [FakeModelOptions, string])[])(
    "finds one unfit, and says why: %j",
    async (options: FakeModelOptions, reason) => {
      const report = await inspected(options, { HEARTH_LLM_TIMEOUT_SECONDS: options.mode === "hang" ? "1" : "60" });
      expect(report.fit).toBe(false);
      expect(report.reasons.join("\n")).toContain(reason);
    },
  );

  it("says that none is configured", async () => {
    const report = await inspectModel({ config: { kind: "off" }, fetch }, NEVER);
    expect(report).toMatchObject({ fit: false, reasons: ["no model is configured: set $LLM_PROVIDER and $LLM_MODEL"] });
  });
});

const fit: ModelReport = {
  model: "ollama/a at http://127.0.0.1:11434",
  fit: true,
  reasons: [],
  probes: [{ name: "say", seconds: 1.25, result: "passed", reason: undefined }],
  bears: 1,
};

describe("hearth doctor --model", () => {
  it("prints the questions, the verdict and why, and exits with 5 for one that is unfit", async () => {
    const good = await run(["doctor", "--model"], { model: fit });
    expect([good.code, good.stdout]).toEqual([
      0,
      "pass  say  1.3 s\nbears 1 request at a time\nfit: ollama/a at http://127.0.0.1:11434\n",
    ]);
    const bad = await run(["doctor", "--model"], {
      model: {
        ...fit,
        fit: false,
        reasons: ["it is too slow: why"],
        bears: 0,
        probes: [{ name: "say", seconds: 60, result: "too slow", reason: "why" }],
      },
    });
    expect([bad.code, bad.stdout]).toEqual([
      5,
      "fail  say  60.0 s  too slow: why\nunfit: ollama/a at http://127.0.0.1:11434\n  it is too slow: why\n",
    ]);
  });

  it("prints one JSON document when asked", async () => {
    const { code, stdout } = await run(["doctor", "--model", "--json"], { model: fit });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ fit: true, bears: 1, probes: [{ name: "say", result: "passed" }] });
  });
});
