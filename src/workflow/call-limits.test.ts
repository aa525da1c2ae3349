/** Each limit of what a run calls accepts its number and refuses one more. */
import { describe, expect, it } from "vitest";
import { CALL_LIMITS, type CallLimits, CallTree } from "./call-limits.ts";
import { readWorkflow } from "./read-workflow.ts";
import type { Workflow } from "./workflow.ts";

const root = workflowOf("ci.yml", 1);

describe("what a run calls", () => {
  it("is at most ten levels deep, with the workflow that the event started", () => {
    expect(CALL_LIMITS.nestedCalls).toBe(9);
    const tree = new CallTree(root);
    expect(tree.add(workflowOf("a.yml", 1), 9)).toBeUndefined();
    expect(tree.add(workflowOf("a.yml", 1), 10)).toBe("Nested reusable workflow depth exceeded 9.");
  });

  it("is at most 50 files, however often they are called", () => {
    const tree = new CallTree(root);
    const called = Array.from({ length: 51 }, (_, index) => workflowOf(`${index}.yml`, 1));
    for (const file of [...called.slice(0, 50), ...called.slice(0, 50)]) expect(tree.add(file, 1)).toBeUndefined();
    expect(called.slice(50).map((file) => tree.add(file, 1))).toEqual([
      "The maximum file count of 51 has been exceeded",
    ]);
  });

  it("has at most 10,000 jobs, counted for every call", () => {
    const tree = new CallTree(root, { ...CALL_LIMITS, sizeBytes: Number.POSITIVE_INFINITY });
    const many = workflowOf("many.yml", 3_333);
    for (let i = 0; i < 3; i++) expect(tree.add(many, 1)).toBeUndefined(); // 10,000 with the root's
    expect(tree.add(workflowOf("one.yml", 1), 1)).toBe("The workflow may not contain more than 10000 jobs");
  });

  it("comes to at most 10 MiB, counted for every call", () => {
    expect(CALL_LIMITS.sizeBytes).toBe(10_485_760);
    const called = workflowOf("a.yml", 1);
    const limits: CallLimits = { ...CALL_LIMITS, sizeBytes: root.sizeBytes + 2 * called.sizeBytes };
    const tree = new CallTree(root, limits);
    expect([tree.add(called, 1), tree.add(called, 1)]).toEqual([undefined, undefined]);
    expect(tree.add(called, 1)).toBe("Error from called workflow a.yml: Maximum object size exceeded");
    expect(new CallTree(root, { ...limits, sizeBytes: limits.sizeBytes - 1 }).add(called, 1)).toBeUndefined();
  });

  it("stops a few small files that call one another into millions of jobs", () => {
    const levels = Array.from({ length: 9 }, (_, index) => workflowOf(`${index}.yml`, 10));
    const tree = new CallTree(root);
    let calls = 0;
    const walk = (level: number): string | undefined => {
      const called = levels[level - 1];
      if (called === undefined) return undefined;
      for (let i = 0; i < 10; i++) {
        calls++;
        const fault = tree.add(called, level) ?? walk(level + 1);
        if (fault !== undefined) return fault;
      }
      return undefined;
    };
    expect(walk(1)).toBe("The workflow may not contain more than 10000 jobs");
    expect(calls).toBeLessThan(1_001);
  });
});

function workflowOf(path: string, jobs: number): Workflow {
  const lines = Array.from({ length: jobs }, (_, index) => `  j${index}: { runs-on: x, steps: [{ run: a }] }`);
  const result = readWorkflow(path, `on: workflow_call\njobs:\n${lines.join("\n")}`);
  if (result.kind === "refused") throw new Error(JSON.stringify(result.diagnostics));
  return result.workflow;
}
