/** A09: matrices are counted before they are expanded, those that are known only in the run as well. */
import { describe, expect, it } from "vitest";
import type { Value } from "../../src/expression/template.ts";
import { expandMatrix, MatrixWork } from "../../src/plan/expand-matrix.ts";
import { fakeProvider } from "../../src/provider/fake/provider.ts";
import { planYaml, runYaml } from "../run-yaml.ts";
import type { YamlRun } from "../run-yaml.ts";
import { fastestMs, growthOf, LINEAR } from "./growth.ts";

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

function planned(strategy: string): string {
  try {
    const plan = planYaml(
      `on: push\njobs:\n  wide:\n    runs-on: ubuntu-latest\n    strategy: ${strategy}\n    steps: [{run: x}]\n`,
    );
    const [job] = plan.jobs;
    return job === undefined || job.cells === "dynamic" ? "dynamic" : `${job.cells.length} cells`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const matrixOf = (value: Value): string => `{matrix: ${JSON.stringify(value)}}`;
const matrixFromJson = (value: Value): string =>
  `{matrix: ${JSON.stringify(`\${{ fromJSON('${JSON.stringify(value)}') }}`)}}`;

describe.each([
  ["written out", matrixOf],
  ["of fromJSON", matrixFromJson],
])("a matrix %s", (_, strategyOf) => {
  it("may come to 256 jobs, and not to 257, which names the job and the count", () => {
    expect(planned(strategyOf({ a: numbers(16), b: numbers(16) }))).toBe("256 cells");
    expect(planned(strategyOf({ a: numbers(256) }))).toBe("256 cells");
    expect(planned(strategyOf({ a: numbers(257) }))).toMatch(/Job 'wide': Matrix would make 257 jobs; .* 256/);
    expect(planned(strategyOf({ a: numbers(256), include: [{ a: "x" }] }))).toMatch(/'wide'.* 257 jobs/);
    expect(planned(strategyOf({ include: numbers(256).map((a) => ({ a })) }))).toBe("256 cells");
    expect(planned(strategyOf({ include: numbers(257).map((a) => ({ a })) }))).toMatch(/'wide'.* 257 jobs/);
  });

  it("of 100 to the tenth is counted, not expanded", () => {
    const vectors = Object.fromEntries(numbers(10).map((key) => [`k${key}`, numbers(100)]));
    expect(planned(strategyOf(vectors))).toMatch(/Job 'wide': Matrix would make 100000000000000000000 jobs/);
    expect(fastestMs(() => void expandMatrix(vectors))).toBeLessThan(5);
  });
});

describe("the matrices of a plan", () => {
  it("come to 10,000 jobs at most", () => {
    const job = `{runs-on: x, strategy: {matrix: {a: [${numbers(250).join(",")}]}}, steps: [{run: x}]}`;
    const withJobs = (count: number): string =>
      `on: push\njobs:\n${numbers(count)
        .map((index) => `  j${index}: ${job}`)
        .join("\n")}`;
    expect(planYaml(withJobs(40)).jobs).toHaveLength(40);
    expect(() => planYaml(withJobs(41))).toThrow(/more than 10000 jobs/);
  });

  it("share what expanding them may cost", () => {
    const costly = { a: numbers(90_000), b: [0], exclude: [{ b: 0 }] };
    const work = new MatrixWork();
    const messages = numbers(20).map(() => {
      const expansion = expandMatrix(costly, work);
      return expansion.kind === "refused" ? expansion.message : "";
    });
    expect(messages.at(0)).toBe("");
    expect(messages.at(-1)).toBe("Matrix holds too many values to be expanded");
  });

  it("take time in proportion to the cells and to what include adds", () => {
    const cells = growthOf(100, (size) => {
      const include = numbers(20).map((a) => ({ a, more: 1 }));
      for (let round = 0; round < 20; round += 1) expandMatrix({ a: numbers(size), include });
    });
    const keys = growthOf(1_000, (size) => {
      expandMatrix({ a: numbers(10), include: [Object.fromEntries(numbers(size).entries())] });
    });
    expect(Math.max(cells, keys)).toBeLessThan(LINEAR);
  });
});

/** A job whose matrix is what the job before it gave out. */
async function runDynamic(matrix: Value, strategy = ""): Promise<YamlRun> {
  const yaml = `
on: push
jobs:
  give:
    runs-on: ubuntu-latest
    outputs: { matrix: "\${{ steps.give.outputs.matrix }}" }
    steps: [{ id: give, run: give }]
  wide:
    needs: give
    runs-on: ubuntu-latest
    strategy:
      matrix: \${{ fromJSON(needs.give.outputs.matrix) }}
      ${strategy}
    steps: [{ run: "true" }]
`;
  const file = Buffer.from(`matrix=${JSON.stringify(matrix)}\n`);
  const provider = fakeProvider({
    script: ({ write, read }, { files }) => {
      const output = read.find(({ path }) => path.includes("set_output"));
      if (write.some(({ content }) => content === "give")) files.set(output?.path ?? "", file);
      return undefined;
    },
  });
  return runYaml(yaml, { provider });
}

describe("a matrix known only in the run", () => {
  it("may come to 256 jobs, whatever max-parallel says", async () => {
    const run = await runDynamic({ a: numbers(16), b: numbers(16) }, "max-parallel: 1000000000");
    expect(Object.keys(run.conclusions)).toHaveLength(257);
    expect(new Set(Object.values(run.conclusions))).toEqual(new Set(["success"]));
    expect(run.outcome).toMatchObject({ conclusion: "success" });
  });

  it.each<[string, Value, RegExp]>([
    ["257 jobs", { a: numbers(257) }, /257 jobs; the limit is 256/],
    [
      "100 to the tenth",
      Object.fromEntries(numbers(10).map((key) => [`k${key}`, numbers(100)])),
      /100000000000000000000 jobs; the limit is 256/,
    ],
    ["no jobs", { a: [] }, /does not contain any values/],
    ["no matrix", "text", /must be a mapping/],
  ])("of %s fails its job with the count, and the run", async (_, matrix, message) => {
    const run = await runDynamic(matrix);
    expect(run.conclusions).toEqual({ give: "success", wide: "failure" });
    expect(JSON.stringify(run.events)).toMatch(message);
    expect(run.outcome).toMatchObject({ conclusion: "failure" });
  });
});

describe("max-parallel", () => {
  it.each(["1000000000", "1e300", "0", "-1", "0.5"])(
    "%s neither stops the jobs nor lets more run than there are",
    async (limit) => {
      const yaml = `on: push\njobs: {a: {runs-on: x, strategy: {max-parallel: ${limit}, matrix: {n: [1, 2, 3]}}, steps: [{run: x}]}}`;
      const run = await runYaml(yaml, { provider: fakeProvider({ script: () => ({ code: 0 }) }) });
      expect(Object.values(run.conclusions)).toEqual(["success", "success", "success"]);
    },
  );
});
