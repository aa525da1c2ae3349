/**
 * A06 to A09 and A11 as the host feels them: each attack in a process of its own with a small heap, which must end by itself, soon,
 * with a message, and without more memory than the same process takes for a workflow of one step.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { ATTACKS } from "./attacks.ts";
import { Weight } from "./weight.ts";

const HEAP_MIB = 256;
/** What the process holds beyond its own weight; the attack's own text or values are a part of it. */
const GROWTH_MIB = 64;

/** `ms` of processor time is what it may take, some five times what it takes on an idle machine. */
const CASES: readonly (readonly [attack: string, outcome: RegExp, ms: number])[] = [
  ["aliasSequences", /nodes|size/, 200],
  ["aliasMappings", /nodes|size/, 200],
  ["aliasInSteps", /nodes|size/, 200],
  ["aliasOfItself", /contains itself/, 200],
  ["brackets", /depth exceeded/, 50],
  ["braces", /depth exceeded/, 50],
  ["dashes", /depth exceeded/, 50],
  ["questions", /depth exceeded/, 50],
  ["indentation", /depth exceeded/, 50],
  ["bracketsInKeys", /depth exceeded/, 50],
  ["bracketsOverLines", /depth exceeded/, 50],
  ["steps", /file size/, 50],
  ["millionSteps", /file size/, 50],
  ["tenMegabytes", /file size/, 50],
  ["jobs", /file size/, 50],
  ["jobsOfAFile", /nodes|size/, 500],
  ["environment", /file size/, 50],
  ["environmentOfAFile", /nodes|size/, 500],
  ["product", /100000000000000000000 jobs; the limit is 256/, 50],
  ["productWithExclude", /10000000000 jobs; the limit is 256/, 50],
  ["wideInclude", /too many values/, 3_000],
  ["deepFilters", /too many values/, 3_000],
  ["misspelledFilters", /too many values/, 4_000],
  ["longNames", /^256 cells$/, 200],
  ["formatWide", /memory size was exceeded/, 100],
  ["formatWidth", /format string/, 100],
  ["toJsonOften", /too much work|memory size/, 3_000],
  ["toJsonNested", /memory size was exceeded/, 100],
  ["fromJsonOften", /too much work/, 3_000],
  ["fromJsonItems", /too much work/, 3_000],
  ["joinLong", /memory size was exceeded/, 200],
  ["compareOften", /a boolean|too much work/, 2_000],
  ["searchOften", /a boolean|too much work/, 2_000],
  ["filterOften", /too much work/, 3_000],
  ["missOften", /too much work/, 3_000],
];

let alone: Weight;

beforeAll(async () => {
  alone = await weigh("nothing");
});

describe("an attack in a process of its own", () => {
  it("is in the table, whatever its name", () => {
    expect(CASES.map(([name]) => name)).toEqual(Object.keys(ATTACKS).filter((name) => name !== "nothing"));
  });

  it.each(CASES)("of %s ends with a word and little memory", async (name, outcome, ms) => {
    const weight = await weigh(name);
    expect(weight.outcome).toMatch(outcome);
    expect(weight.ms).toBeLessThan(ms);
    expect(weight.peakMib - alone.peakMib).toBeLessThan(GROWTH_MIB);
  });
});

async function weigh(attack: string): Promise<Weight> {
  const script = join(import.meta.dirname, "weigh.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [`--max-old-space-size=${HEAP_MIB}`, script, attack]);
  return Weight.parse(JSON.parse(stdout));
}
