/**
 * A filter and its `-ignore` form for one event exclude one another. GitHub's reader takes them, its service refuses the workflow;
 * so it is refused where a plan is made. Source: GitHub "Workflow syntax", on.<push|pull_request>.<branches|tags|paths>.
 */
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { Trigger, Workflow } from "../workflow/workflow.ts";

export function filterConflicts(workflow: Workflow): readonly Diagnostic[] {
  return workflow.triggers.flatMap((trigger) =>
    conflictsOf(trigger).map((filter) => ({
      kind: "error" as const,
      file: workflow.path,
      at: trigger.at,
      key: `on.${trigger.event}.${filter}-ignore`,
      message: `You may only define one of '${filter}' and '${filter}-ignore' for a single event`,
    })),
  );
}

function conflictsOf(trigger: Trigger): string[] {
  const pairs = [
    ["branches", trigger.branches, trigger.branchesIgnore],
    ["tags", trigger.tags, trigger.tagsIgnore],
    ["paths", trigger.paths, trigger.pathsIgnore],
  ] as const;
  return pairs.flatMap(([name, only, except]) => (only === undefined || except === undefined ? [] : [name]));
}
