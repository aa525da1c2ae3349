import { describe, expect, it } from "vitest";
import { evaluateExpression, ExpressionError } from "../expression/evaluate.ts";
import type { JobResult } from "./job-result.ts";
import { compositeStatusFunctions, jobStatusFunctions, stepStatusFunctions } from "./job-status-functions.ts";
import type { StatusFunctions } from "./job-status-functions.ts";

function ask(functions: StatusFunctions): string {
  const names = ["success", "failure", "cancelled", "always"];
  return names.filter((name) => evaluateExpression(`${name}()`, { contexts: {}, functions }) === true).join(" ");
}

/** a <- b <- c, and d beside them. */
function graph(results: { [id: string]: JobResult }, cancelled = false) {
  const needs: { [id: string]: readonly string[] } = { b: ["a"], c: ["b", "d"], two: ["a", "d"] };
  return {
    needsOf: (id: string) => needs[id] ?? [],
    resultOf: (id: string) => results[id] ?? "success",
    cancelled,
  };
}

function allBefore(id: string): readonly string[] {
  return Array.from({ length: Number(id) }, (_, index) => String(index));
}

describe("status functions in a job's condition (§3.3)", () => {
  it.each([
    ["no needs", "a", {}, "success always"],
    ["all succeeded", "c", {}, "success always"],
    ["a direct need failed", "c", { b: "failure" }, "failure always"],
    ["an ancestor failed and what is between was skipped", "c", { a: "failure", b: "skipped" }, "failure always"],
    ["an ancestor failed and what is between succeeded", "c", { a: "failure" }, "failure always"],
    ["a direct need was skipped", "c", { b: "skipped" }, "always"],
    // actions/runner issue 2205: all direct needs succeeded, and success() is false all the same.
    ["an ancestor was skipped and what is between succeeded", "c", { a: "skipped" }, "always"],
    ["a need was cancelled", "c", { d: "cancelled" }, "always"],
    ["a job that is no ancestor failed", "b", { d: "failure" }, "success always"],
  ] as const)("%s", (_, id, results, expected) => {
    expect(ask(jobStatusFunctions(id, graph(results)))).toBe(expected);
  });

  it("says only cancelled() and always() once the run was cancelled", () => {
    expect(ask(jobStatusFunctions("c", graph({ a: "failure" }, true)))).toBe("cancelled always");
    expect(ask(jobStatusFunctions("a", graph({}, true)))).toBe("cancelled always");
  });

  it.each([
    ["success('a')", { d: "failure" }, true],
    ["success('a', 'd')", { d: "failure" }, false],
    ["success('A')", { a: "skipped" }, false],
    ["failure('d')", { d: "failure" }, true],
    ["failure('a')", { d: "failure" }, false],
  ] as const)("%s looks at the jobs it names only: %j", (expression, results, expected) => {
    const functions = jobStatusFunctions("two", graph(results));
    expect(evaluateExpression(expression, { contexts: {}, functions })).toBe(expected);
  });

  it("refuses to guess about a job that is not needed", () => {
    const functions = jobStatusFunctions("c", graph({}));
    const ask = () => evaluateExpression("success('a')", { contexts: {}, functions });
    expect(ask).toThrow(ExpressionError);
  });

  it("walks a graph of many needs in no time", () => {
    const functions = jobStatusFunctions("300", { needsOf: allBefore, resultOf: () => "success", cancelled: false });
    expect(ask(functions)).toBe("success always");
  });
});

describe("status functions in a step's condition (§3.3)", () => {
  it.each([
    ["success", "success always"],
    ["failure", "failure always"],
    ["cancelled", "cancelled always"],
  ] as const)("job.status %s", (status, expected) => {
    expect(ask(stepStatusFunctions(status))).toBe(expected);
  });

  it.each([
    ["success", "failure", "success always"],
    ["failure", "success", "failure always"],
    ["success", "cancelled", "success cancelled always"],
    ["cancelled", "success", "always"],
  ] as const)("in a composite action with action_status %s and job.status %s", (action, job, expected) => {
    expect(ask(compositeStatusFunctions(action, job))).toBe(expected);
  });
});
