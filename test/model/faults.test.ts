/**
 * A model's server that fails in every way that is known (SECURITY-RELIABILITY F22): each step ends in time with a reason, no part
 * of an answer is taken for one, and steps that were translated before stay so. `HEARTH_FAULT_ROUNDS=100` for more rounds.
 */
import { describe, expect, it } from "vitest";
import { aRequest, asking, ENVIRONMENTS, NEVER } from "./asking.ts";
import { FAULT_MODES, startFakeModel } from "./fake-model-server.ts";
import type { FaultMode, ModelMode } from "./fake-model-server.ts";

const ROUNDS = Number(process.env["HEARTH_FAULT_ROUNDS"] ?? 5);
const DEADLINE_S = 2;

/** Beside these each may end as late, on a host with much to do, or find the server left alone. `slow` is a translation. */
const EXPECTED: { readonly [mode in FaultMode]: RegExp } = {
  busy: /(?:^|\()busy: /u,
  "busy-retry-after": /(?:^|\()busy: /u,
  "error-500": /(?:^|\()server: /u,
  "error-529": /(?:^|\()server: /u,
  refused: /(?:^|\()(?:unreachable|cut): /u,
  hang: /(?:^|\()late: /u,
  cut: /(?:^|\()cut: /u,
  malformed: /(?:^|\()protocol: /u,
  prose: /(?:^|\()schema: /u,
  "wrong-schema": /(?:^|\()schema: /u,
  huge: /(?:^|\()size: /u,
  slow: /^$/u,
};

describe.each(FAULT_MODES)("a server in the mode %s", (mode) => {
  it(
    `ends each of ${ROUNDS} steps in time, with a reason or a whole translation`,
    { timeout: 60_000 + ROUNDS * 10_000 },
    async () => {
      const providers = Object.keys(ENVIRONMENTS);
      let failing = false;
      await using server = await startFakeModel({ mode: (): ModelMode => (failing ? mode : "good") });
      for (const provider of providers.slice(0, 2)) {
        const before = aRequest({ reference: "octo/before@v1" });
        failing = false;
        await using first = asking(server.url, provider);
        const kept = await first.translator.translate(before, NEVER);
        expect(kept.kind).toBe("translated");
        await using asked = asking(server.url, provider, {
          stateDir: first.stateDir,
          env: { HEARTH_LLM_TIMEOUT_SECONDS: String(DEADLINE_S), HEARTH_LLM_TOKENS: "1000000000" },
        });
        failing = true;
        const start = performance.now();
        const results = await Promise.all(
          Array.from({ length: ROUNDS }, (_, round) =>
            asked.translator.translate(aRequest({ reference: `octo/step-${round}@v1` }), NEVER),
          ),
        );
        // Each in its turn, one place at the worst, and a second question each.
        expect(performance.now() - start).toBeLessThan(ROUNDS * (DEADLINE_S * 2000 + 1000) + 10_000);
        const ends = results.map((result) => (result.kind === "translated" ? "" : result.reason));
        expect(ends.filter((end) => EXPECTED[mode].test(end))).not.toEqual([]);
        expect(ends.filter((end) => !EXPECTED[mode].test(end) && !/^(?:late|broken): /u.test(end))).toEqual([]);
        expect(await asked.translator.translate(before, NEVER)).toEqual(kept);
      }
    },
  );
});

describe("a server", () => {
  it("that comes back is asked again within the step", async () => {
    const modes: readonly ModelMode[] = ["error-500", "busy", "cut", "malformed", "good"];
    await using server = await startFakeModel({ mode: (nth) => modes[nth - 1] ?? "good" });
    await using asked = asking(server.url);
    expect((await asked.translator.translate(aRequest(), NEVER)).kind).toBe("translated");
    expect(server.requests).toBe(5);
  });

  it("that asks to wait is not asked before", async () => {
    await using server = await startFakeModel({ mode: (nth) => (nth === 1 ? "busy-retry-after" : "good") });
    await using asked = asking(server.url);
    const start = performance.now();
    expect((await asked.translator.translate(aRequest(), NEVER)).kind).toBe("translated");
    expect(performance.now() - start).toBeGreaterThan(950);
  });

  it("that is not there is not asked any more after some failures", async () => {
    const gone = await startFakeModel();
    await gone[Symbol.asyncDispose]();
    await using asked = asking(gone.url);
    const results = [];
    for (let step = 0; step < 4; step += 1) {
      results.push(await asked.translator.translate(aRequest({ reference: `octo/x@v${step}` }), NEVER));
    }
    expect(results[0]).toMatchObject({ kind: "failed" });
    expect(JSON.stringify(results.at(-1))).toContain("broken: its server failed 5 times in a row");
    expect(asked.translator.use.requests).toBe(5);
  });

  it("whose key is revoked is asked once, and its reason does not repeat the key", async () => {
    await using server = await startFakeModel({ mode: "revoked" });
    await using asked = asking(server.url);
    const result = await asked.translator.translate(aRequest(), NEVER);
    expect(result).toMatchObject({ kind: "failed" });
    expect(JSON.stringify(result)).toContain("credentials: its server answered 401");
    expect(JSON.stringify(result)).not.toContain("key-of-openai");
    expect(server.requests).toBe(1);
  });

  it.each(Object.keys(ENVIRONMENTS))(
    "of %s that leads elsewhere is not followed, and the key stays here",
    async (provider) => {
      await using elsewhere = await startFakeModel();
      await using server = await startFakeModel({
        mode: "redirect",
        redirectTo: `${elsewhere.url}/v1/chat/completions`,
      });
      await using asked = asking(server.url, provider);
      expect(JSON.stringify(await asked.translator.translate(aRequest(), NEVER))).toContain("redirect: ");
      expect(elsewhere.connections).toBe(0);
    },
  );

  it("does not keep what waited for it when that is cancelled", async () => {
    await using server = await startFakeModel({ mode: "hang" });
    await using asked = asking(server.url);
    const stop = new AbortController();
    const waiting = asked.translator.translate(aRequest(), stop.signal);
    setTimeout(() => stop.abort(new Error("stopped")), 100);
    await expect(waiting).rejects.toThrow("stopped");
  });
});

describe("nineteen workflows at once", () => {
  it.each(["busy", "reset"] as const)(
    "are all translated by a model that bears one request (%s)",
    { timeout: 60_000 },
    async (excess) => {
      await using server = await startFakeModel({ bears: 1, excess, answerAfterMs: 20 });
      await using asked = asking(server.url, "openai", { firstBackoffMs: 50 });
      const results = await Promise.all(
        Array.from({ length: 19 }, (_, workflow) =>
          asked.translator.translate(aRequest({ reference: `octo/workflow-${workflow}@v1` }), NEVER),
        ),
      );
      expect(results.map(({ kind }) => kind)).toEqual(Array.from({ length: 19 }, () => "translated"));
    },
  );

  it("that need the same ask once", async () => {
    await using server = await startFakeModel({ bears: 1, answerAfterMs: 50 });
    await using asked = asking(server.url);
    const results = await Promise.all(Array.from({ length: 19 }, () => asked.translator.translate(aRequest(), NEVER)));
    expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1);
    expect(results[0]?.kind).toBe("translated");
    expect(server.requests).toBe(1);
    expect(asked.translator.use).toMatchObject({ requests: 1, shared: 18 });
  });

  it("do not pass the limit of tokens together", async () => {
    await using server = await startFakeModel({ answerAfterMs: 20 });
    await using asked = asking(server.url, "openai", { env: { HEARTH_LLM_TOKENS: "12000" } });
    const results = await Promise.all(
      Array.from({ length: 19 }, (_, workflow) =>
        asked.translator.translate(aRequest({ reference: `octo/workflow-${workflow}@v1` }), NEVER),
      ),
    );
    const failed = results.filter((result) => result.kind === "failed");
    expect(failed.length).toBeGreaterThan(0);
    for (const { reason } of failed) expect(reason).toBe("limit: the limit of 12000 tokens is reached");
    expect(asked.translator.use.tokens).toBeLessThanOrEqual(12_000);
  });

  it("do not pass the limit of money, where the provider says what it costs", async () => {
    await using server = await startFakeModel();
    await using asked = asking(server.url, "openrouter", {
      env: { HEARTH_LLM_SPEND_USD: "0.03", HEARTH_LLM_CONCURRENCY: "1" },
    });
    const results = [];
    for (let step = 0; step < 5; step += 1) {
      results.push(await asked.translator.translate(aRequest({ reference: `octo/x@v${step}` }), NEVER));
    }
    expect(results.map(({ kind }) => kind)).toEqual(["translated", "translated", "translated", "failed", "failed"]);
    expect(asked.translator.use.spentUsd).toBeCloseTo(0.03);
  });
});
