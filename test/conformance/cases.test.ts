/** The conformance cases on the host, and that each of them can fail. */
import { describe, expect, it } from "vitest";
import { parseCases, readCases } from "./case.ts";
import type { ConformanceCase } from "./case.ts";
import { differences, runCase } from "./run-case.ts";
import { shortenMinutes } from "./short-minutes.ts";
import { spoiled } from "./spoil.ts";

const cases = readCases();
const settled = cases.filter((given) => given.pending === undefined);
const pending = cases.filter((given) => given.pending !== undefined);
const title = (given: ConformanceCase): readonly [string, ConformanceCase] => [
  `${given.section}: ${given.name} (${given.rule})`,
  given,
];

shortenMinutes();

describe.concurrent("conformance", () => {
  it.each(settled.map(title))("%s", async (_title, given) => {
    const seen = await runCase(given);
    expect(differences(given.expect, seen)).toEqual([]);
    // Each of the things it says could be found wrong.
    for (const wrong of spoiled(given.expect)) expect([wrong, differences(wrong, seen)]).not.toEqual([wrong, []]);
  });

  it.each(pending.map(title))("pending: %s", async (title, given) => {
    const found = differences(given.expect, await runCase(given));
    process.stdout.write(`pending: ${title}: ${given.pending}\n`);
    expect(found.join("\n"), "it is as GitHub's now: take `pending` away").not.toBe("");
  });
});

describe("the cases", () => {
  it("are at least 250, each with a name of its own", () => {
    const names = cases.map(({ section, name }) => `${section}: ${name}`);
    expect(new Set(names).size).toBe(names.length);
    expect(settled.length).toBeGreaterThanOrEqual(250);
  });

  it.each([
    ["an empty expectation", "- { name: n, rule: §1, steps: x, expect: {} }", "proves nothing"],
    ["a key that is not known", "- { name: n, rule: §1, steps: x, expect: { end: success } }", "unrecognized_keys"],
    ["a rule that leads nowhere", "- { name: n, rule: because, steps: x, expect: { title: t } }", "invalid_format"],
    ["no workflow", "- { name: n, rule: §1, expect: { title: t } }", "give `workflow` or `steps`"],
    [
      "two workflows",
      "- { name: n, rule: §1, workflow: x, steps: x, expect: { title: t } }",
      "give `workflow` or `steps`",
    ],
  ])("refuse %s", (_what, text, message) => {
    expect(() => parseCases("s", text)).toThrow(message);
  });
});
