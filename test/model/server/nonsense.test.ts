/**
 * A real model's server with a model that speaks nonsense in any schema that it is given: what comes of it is refused by name, and many
 * workflows at once are served one after another.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inspectModel } from "../../../src/translate/model/inspect-model.ts";
import { aRequest, asking, configOf, NEVER } from "../asking.ts";
import { startNonsenseServer } from "./nonsense-server.ts";
import type { NonsenseServer } from "./nonsense-server.ts";

const ENVIRONMENT = { HEARTH_LLM_TOKENS: "100000000", HEARTH_LLM_TIMEOUT_SECONDS: "120" };
/** Of a check, of the schema, of a cut answer, or that the model declines. Nothing of a connection. */
const REFUSED =
  /^(?:size|form|uses|shell|syntax|splice|expression|secrets|hosts|hidden|inputs|outputs|directory|schema|cut|declined): /u;

/** Short, since the model reads no more than 4096 tokens of a character each. */
function short(number: number) {
  return aRequest({ reference: `o/a@v${number}`, manifest: undefined, with: {}, outputsUsed: ["path"] });
}

let server: NonsenseServer;
beforeAll(async () => {
  server = await startNonsenseServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

describe("a model that speaks nonsense", () => {
  it("gives fifty answers, each refused by name", { timeout: 900_000 }, async () => {
    await using asked = asking(server.url, "openai", { env: ENVIRONMENT });
    const reasons: string[] = [];
    for (let number = 0; number < 50; number += 1) {
      const result = await asked.translator.translate(short(number), NEVER);
      reasons.push(result.kind === "translated" ? "translated" : result.reason);
    }
    expect(reasons.filter((reason) => !REFUSED.test(reason))).toEqual([]);
  });

  it("is unfit", async () => {
    const report = await inspectModel({ config: configOf("openai", server.url, ENVIRONMENT), fetch }, NEVER);
    expect(report.fit).toBe(false);
    expect(report.reasons.length).toBeGreaterThan(0);
  });

  it("serves nineteen workflows at once without an error of connection", { timeout: 900_000 }, async () => {
    await using asked = asking(server.url, "openai", { env: ENVIRONMENT });
    const numbers = Array.from({ length: 19 }, (_, index) => 1000 + index);
    const results = await Promise.all(numbers.map((number) => asked.translator.translate(short(number), NEVER)));
    const reasons = results.map((result) => (result.kind === "translated" ? "translated" : result.reason));
    expect(reasons.filter((reason) => !REFUSED.test(reason))).toEqual([]);
  });
});
