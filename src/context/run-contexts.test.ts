import { describe, expect, it } from "vitest";
import { evaluateExpression } from "../expression/evaluate-expression.ts";
import { jobContext, strategyContext } from "./job-context.ts";
import type { JobResult } from "./job-result.ts";
import { needsContext, resultOf } from "./needs-context.ts";
import { stepsContext } from "./steps-context.ts";

function legs(...conclusions: (JobResult | "tolerated failure")[]) {
  return conclusions.map((conclusion) =>
    conclusion === "tolerated failure"
      ? ({ conclusion: "failure", tolerated: true, outputs: {} } as const)
      : { conclusion, tolerated: false, outputs: {} },
  );
}

describe("needsContext (§3.4)", () => {
  it.each([
    ["success", legs("success", "success")],
    ["failure", legs("success", "failure", "cancelled", "skipped")],
    ["cancelled", legs("success", "cancelled", "skipped")],
    ["skipped", legs("skipped", "skipped")],
    ["success", legs("skipped", "success")],
    ["success", legs("tolerated failure")],
    ["success", legs("tolerated failure", "success")],
    ["cancelled", legs("tolerated failure", "cancelled")],
    ["failure", legs("tolerated failure", "failure")],
    ["skipped", legs()],
  ] as const)("says %s of %j", (result, legs) => {
    expect(resultOf(legs)).toBe(result);
  });

  it("shows for each output what the leg set that finished last", () => {
    const outputs = [{ a: "1", b: "1" }, { a: "2" }, { c: "3" }];
    const legs = outputs.map((outputs) => ({ conclusion: "success", tolerated: false, outputs }) as const);
    const contexts = { needs: needsContext([{ id: "Build", legs }]) };
    expect(evaluateExpression("toJSON(needs)", { contexts, functions: {} })).toBe(
      JSON.stringify({ Build: { result: "success", outputs: { a: "2", b: "1", c: "3" } } }, null, 2),
    );
    expect(evaluateExpression("needs.build.outputs.A", { contexts, functions: {} })).toBe("2");
  });
});

describe("stepsContext (§1.4)", () => {
  it("has the steps that have an id of their author's, skipped ones too", () => {
    const steps = stepsContext([
      { id: "one", idGiven: true, outcome: "failure", conclusion: "success", outputs: { x: "1" } },
      { id: "__run", idGiven: false, outcome: "success", conclusion: "success", outputs: {} },
      { id: "two", idGiven: true, outcome: "skipped", conclusion: "skipped", outputs: {} },
    ]);
    expect(JSON.parse(JSON.stringify(steps))).toEqual({
      one: { outputs: { x: "1" }, outcome: "failure", conclusion: "success" },
      two: { outputs: {}, outcome: "skipped", conclusion: "skipped" },
    });
  });
});

describe("strategyContext (§1.4)", () => {
  it("is true, 0, 1 and 1 for a job without a matrix", () => {
    expect(Object.entries(strategyContext(0, 1, { failFast: undefined, maxParallel: undefined }))).toEqual([
      ["fail-fast", true],
      ["job-index", 0],
      ["job-total", 1],
      ["max-parallel", 1],
    ]);
  });

  it("takes the number of jobs where max-parallel is not given or not positive", () => {
    expect(strategyContext(2, 6, { failFast: false, maxParallel: 0 })).toMatchObject({ "max-parallel": 6 });
    expect(strategyContext(2, 6, { failFast: false, maxParallel: 2 })).toMatchObject({
      "fail-fast": false,
      "job-index": 2,
      "max-parallel": 2,
    });
  });
});

describe("jobContext (§1.4)", () => {
  it("has the job's status and where its workflow came from", () => {
    const origin = { repository: "o/r", path: ".github/workflows/ci.yml", ref: "refs/heads/main", sha: "0".repeat(40) };
    expect(jobContext("failure", origin)).toMatchObject({
      status: "failure",
      workflow_ref: "o/r/.github/workflows/ci.yml@refs/heads/main",
      workflow_repository: "o/r",
    });
  });
});
