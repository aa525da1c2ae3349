/**
 * A06 to A08: texts that are small to write and large to understand. The reader refuses them with a place, in time that grows with
 * the text and no faster, and the command line goes on with the other files. What they cost in memory is in `weight.test.ts`.
 */
import { execFile } from "node:child_process";
import { mkdir, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { readWorkflow } from "../../src/workflow/read-workflow.ts";
import { sandbox } from "../run-hearth.ts";
import { ATTACKS, withJobs, withSteps } from "./attacks.ts";
import { growthOf, LINEAR } from "./growth.ts";

const JOB = "jobs: {a: {runs-on: ubuntu-latest, steps: [{run: x}]}}\n";
const VALID = `on: push\n${JOB}`;

function messageOf(text: string): string {
  const read = readWorkflow("bomb.yml", text);
  return read.kind === "read" ? `read, ${read.workflow.declaredSteps} steps` : (read.diagnostics[0]?.message ?? "");
}

function textOf(attack: string): string {
  const made = ATTACKS[attack]?.();
  if (made?.kind !== "workflow") throw new Error(`${attack} is no workflow`);
  return made.text;
}

const ofLength = (length: number): string => `${VALID}#${"x".repeat(length - VALID.length - 1)}`;
const nested = (depth: number): string => `on: push\nx: ${"[".repeat(depth)}${"]".repeat(depth)}\n${JOB}`;
const aliasedSteps = (count: number): string =>
  `on: push\nx: &s {run: x}\njobs: {a: {runs-on: x, steps: [${"*s, ".repeat(count)}]}}`;

describe("the limits of a file", () => {
  it("are 1,000 steps a job, at N and at N + 1", () => {
    expect(messageOf(withSteps(1_000))).toBe("read, 1000 steps");
    expect(messageOf(withSteps(1_001))).toMatch(/1001 steps/);
  });

  it("are 1 MiB, at N and at N + 1", () => {
    expect(messageOf(ofLength(1_048_576))).toBe("read, 1 steps");
    expect(messageOf(ofLength(1_048_577))).toMatch(/file size/);
  });

  it("are a depth of values that GitHub has too, at N and at N + 1", () => {
    const depths = Array.from({ length: 120 }, (_, depth) => depth).filter(
      (depth) => !/depth exceeded/.test(messageOf(nested(depth))),
    );
    expect(depths).toEqual(Array.from({ length: depths.length }, (_, depth) => depth));
    expect(depths.length).toBeGreaterThanOrEqual(49);
    expect(depths.length).toBeLessThanOrEqual(101);
  });

  it("hold for aliases as they stand for what they mean", () => {
    expect(messageOf(aliasedSteps(20_000))).toMatch(/alias|nodes|steps/i);
  });
});

describe("many bombs in one process", () => {
  it("are refused each, with a place, and leave the process able to read", () => {
    const names = ["brackets", "braces", "dashes", "questions", "indentation", "bracketsInKeys", "bracketsOverLines"];
    for (let round = 0; round < 10; round += 1) {
      for (const name of names) {
        const read = readWorkflow(`${name}.yml`, textOf(name));
        expect(read).toMatchObject({ kind: "refused", diagnostics: [{ at: { line: expect.any(Number) } }] });
      }
    }
    expect(messageOf(VALID)).toBe("read, 1 steps");
  });
});

describe("a file that is wrong throughout", () => {
  it.each(["foreign tags", "unknown keys", "texts without commas", "expressions that are none"])(
    "with %s has some diagnostics, not thousands",
    (name) => {
      const text = GROWING.find(([title]) => title === name)?.[2](3_000) ?? WRONG_EXPRESSIONS;
      const read = readWorkflow("wrong.yml", text);
      if (read.kind === "read") throw new Error("it was read");
      expect(read.diagnostics.length).toBeGreaterThan(0);
      expect(read.diagnostics.length).toBeLessThanOrEqual(200);
    },
  );
});

const WRONG_EXPRESSIONS = `on: push\nenv: {${Array.from({ length: 3_000 }, (_, key) => `k${key}: "\${{ ! }}"`).join(", ")}}\n${JOB}`;

/** Texts within every limit that a reader could take long over. */
const GROWING: readonly (readonly [name: string, size: number, text: (size: number) => string])[] = [
  ["empty lines", 30_000, (size) => "\n".repeat(size)],
  ["comments", 20_000, (size) => "#\n".repeat(size)],
  ["steps", 1_000, (size) => manyJobs(size / 500, () => `steps: [${"{run: x}, ".repeat(500)}]`)],
  ["jobs", 400, (size) => withJobs(size)],
  ["a chain of needs", 500, (size) => manyJobs(size, (job) => (job === 0 ? STEP : `needs: j${job - 1}, ${STEP}`))],
  [
    "a chain of needs, last job first",
    500,
    (size) => manyJobs(size, (job) => (job === size - 1 ? STEP : `needs: j${job + 1}, ${STEP}`)),
  ],
  ["variables", 2_000, (size) => `on: push\nenv:\n${rows(size, (index) => `  k${index}: v`)}${JOB}`],
  ["events", 3_000, (size) => `on: [${"push, ".repeat(size)}]\n${JOB}`],
  ["branches", 3_000, (size) => `on: {push: {branches: [${"'**a', ".repeat(size)}]}}\n${JOB}`],
  [
    "expressions",
    500,
    (size) => `on: push\nenv: {${rows(size, (index) => `k${index}: "\${{ github.sha }}",`)}}\n${JOB}`,
  ],
  ["unknown keys", 2_000, (size) => `on: push\n${rows(size, (index) => `k${index}: v`)}${JOB}`],
  ["foreign tags", 2_000, (size) => `on: push\na: [${"!x a,".repeat(size)}]\n`],
  ["texts without commas", 6_000, (size) => `on: push\nname: [${'"a" '.repeat(size)}\n`],
  ["text over lines", 10_000, (size) => `on: push\nname: ${"x\n  ".repeat(size)}\n`],
  ["braces in a text", 10_000, (size) => `on: push\nname: "${"${{ ".repeat(size)}"\n${JOB}`],
];

const STEP = "steps: [{run: x}]";

function manyJobs(count: number, rest: (job: number) => string): string {
  return `on: push\njobs:\n${rows(count, (job) => `  j${job}: {runs-on: x, ${rest(job)}}`)}`;
}

function rows(count: number, row: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => `${row(index)}\n`).join("");
}

describe("time to read", () => {
  it.each(GROWING)("%s grows with their number", (_, size, text) => {
    const texts = new Map([size, 2 * size].map((count) => [count, text(count)]));
    expect(growthOf(size, (count) => void readWorkflow("bomb.yml", texts.get(count) ?? ""))).toBeLessThan(LINEAR);
  });
});

describe("hearth plan over a directory of bombs", () => {
  it("refuses each by name, plans the others, and ends with 3", async () => {
    await using place = await sandbox();
    const workflows = join(place.directory, "project", ".github", "workflows");
    await mkdir(workflows, { recursive: true });
    const bombs = Object.keys(ATTACKS).filter((name) => name !== "nothing" && ATTACKS[name]?.().kind === "workflow");
    for (const bomb of bombs) await writeFile(join(workflows, `${bomb}.yml`), textOf(bomb));
    for (let copy = 0; copy < 10; copy += 1) await writeFile(join(workflows, `again-${copy}.yml`), textOf("brackets"));
    for (const valid of ["a-first", "middle", "z-last"]) await writeFile(join(workflows, `${valid}.yml`), VALID);
    const end = await place.run(["plan", join(place.directory, "project")]);
    expect(end).toMatchObject({ exitCode: 3, stderr: "" });
    const sections = new Map(end.stdout.split("\n\n").map((text) => [text.split(/\s/, 1)[0] ?? "", text]));
    for (const bomb of [...bombs, ...Array.from({ length: 10 }, (_, copy) => `again-${copy}`)]) {
      expect(sections.get(`${bomb}.yml`)).toMatch(/refused\n.*error: /);
    }
    for (const valid of ["a-first", "middle", "z-last"])
      expect(sections.get(`${valid}.yml`)).toMatch(/1\/1 steps held/);
    expect(end.stdout).toContain(`${bombs.length + 13} workflows`);
  });

  it("refuses a file that never ends, never begins, or is larger than memory, and goes on", async () => {
    await using place = await sandbox();
    const workflows = join(place.directory, "project", ".github", "workflows");
    await mkdir(workflows, { recursive: true });
    await writeFile(join(workflows, "valid.yml"), VALID);
    await symlink("/dev/zero", join(workflows, "endless.yml"));
    await promisify(execFile)("mkfifo", [join(workflows, "pipe.yml")]);
    await writeFile(join(workflows, "sparse.yml"), "");
    await truncate(join(workflows, "sparse.yml"), 1_500_000_000);
    const end = await place.run(["plan", join(place.directory, "project")]);
    expect(end).toMatchObject({ exitCode: 3, stderr: "" });
    expect(end.stdout).toContain("4 workflows  1 job  1 step  3 refused");
    expect(end.stdout.match(/error: /g)).toHaveLength(3);
  });
});
