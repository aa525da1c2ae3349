/**
 * A real model's server with a model that speaks nonsense in any schema that it is given: what comes of it is refused by name, and many
 * workflows at once are served one after another. Texts are held to a few characters, since it would not end them by itself.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inspectModel } from "../../../src/translate/model/inspect-model.ts";
import { aRequest, asking, configOf, NEVER } from "../asking.ts";
import { startNonsenseServer } from "./nonsense-server.ts";
import type { NonsenseServer } from "./nonsense-server.ts";

const ENVIRONMENT = { HEARTH_LLM_TOKENS: "100000000", HEARTH_LLM_TIMEOUT_SECONDS: "200" };
/** Of a check, of the schema, of an answer without end, or that the model declines. Nothing of a connection. */
const REFUSED =
  /^(?:size|form|uses|shell|syntax|splice|expression|secrets|hosts|hidden|inputs|outputs|directory|schema|declined): /u;

/** The request as it is, but for bounds in the schema of the answer. */
const hurried: typeof fetch = (url, init) => {
  const body: unknown = JSON.parse(typeof init?.body === "string" ? init.body : "{}", (_name, value) => {
    if (value?.type === "string" && value.enum === undefined) return { ...value, maxLength: 12 };
    return value?.type === "array" ? { ...value, minItems: 1, maxItems: 2 } : value;
  });
  return fetch(url, { ...init, body: JSON.stringify(body) });
};

/** Short, since a token of this model is one character. */
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

async function reasonsOf(numbers: readonly number[], together: boolean): Promise<readonly string[]> {
  await using asked = asking(server.url, "openai", { env: ENVIRONMENT, fetch: hurried });
  const reasonOf = async (number: number): Promise<string> => {
    const result = await asked.translator.translate(short(number), NEVER);
    return result.kind === "translated" ? "translated" : result.reason;
  };
  if (together) return await Promise.all(numbers.map(reasonOf));
  const reasons: string[] = [];
  for (const number of numbers) reasons.push(await reasonOf(number));
  return reasons;
}

describe("a model that speaks nonsense", () => {
  it("gives fifty answers, each refused by name", { timeout: 900_000 }, async () => {
    const reasons = await reasonsOf([...Array(50).keys()], false);
    expect(reasons.filter((reason) => !REFUSED.test(reason))).toEqual([]);
    // They are of the schema, so it is the checks that refuse them.
    expect(reasons.filter((reason) => !/^(?:size|schema): /u.test(reason)).length).toBeGreaterThan(0);
  });

  it("is unfit", { timeout: 900_000 }, async () => {
    const report = await inspectModel({ config: configOf("openai", server.url, ENVIRONMENT), fetch: hurried }, NEVER);
    expect(report.fit).toBe(false);
    expect(report.reasons.length).toBeGreaterThan(0);
  });

  it("serves nineteen workflows at once without an error of connection", { timeout: 900_000 }, async () => {
    const reasons = await reasonsOf(
      [...Array(19).keys()].map((index) => 1000 + index),
      true,
    );
    expect(reasons.filter((reason) => !REFUSED.test(reason))).toEqual([]);
  });
});
