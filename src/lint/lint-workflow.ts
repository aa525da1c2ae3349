/** All rules over one file that could be read. Pure; what a comment silences is not there. */
import type { ActionManifest } from "../action/manifest.ts";
import type { Workflow } from "../workflow/workflow.ts";
import { lintTriggers } from "./dangerous-triggers.ts";
import { lintPermissions } from "./excessive-permissions.ts";
import type { Finding } from "./finding.ts";
import { lintCommands } from "./insecure-commands.ts";
import { stepsOfAction, stepsOfWorkflow } from "./linted.ts";
import type { Draft } from "./linted.ts";
import { lintScripts } from "./scripts.ts";
import { lintInherited } from "./secrets-inherit.ts";
import { SourceText } from "./source-text.ts";
import { lintCalls, lintUses } from "./unpinned-uses.ts";

/** `text` is what the workflow was read from. In the order of the file. */
export function lintWorkflow(workflow: Workflow, text: string): readonly Finding[] {
  const source = new SourceText(text);
  const steps = stepsOfWorkflow(workflow);
  const drafts = [
    ...lintTriggers(workflow, steps, source),
    ...lintPermissions(workflow, source),
    ...lintInherited(workflow, source),
    ...lintCalls(workflow),
    ...lintUses(steps),
    ...lintScripts(steps, source),
    ...lintCommands(workflow, steps),
  ];
  return finish(workflow.path, drafts, source);
}

/** A composite action; of others there is nothing to say. */
export function lintAction(path: string, { inputs, runs }: ActionManifest, text: string): readonly Finding[] {
  if (runs.kind !== "composite") return [];
  const source = new SourceText(text);
  const names = inputs.map(({ name }) => name);
  const steps = stepsOfAction(runs.steps, names);
  return finish(path, [...lintUses(steps), ...lintScripts(steps, source), ...lintCommands(undefined, steps)], source);
}

function finish(file: string, drafts: readonly Draft[], source: SourceText): readonly Finding[] {
  return drafts
    .filter(({ rule, at, near }) => ![at, near ?? at].some(({ line }) => source.ignoredAt(line).has(rule)))
    .map(({ rule, severity, at, key, message, fix }) => ({ rule, severity, file, at, key, message, fix }))
    .toSorted((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
}
