/**
 * Lints workflow files, and the composite actions of the same repository that their steps use, and those that these use. A file
 * that cannot be read has no findings but diagnostics.
 */
import { posix } from "node:path";
import { readManifest } from "../action/manifest.ts";
import type { ManifestLookup } from "../action/choose-way.ts";
import { describeDirectory, describeRepository } from "../git/repository.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { distinctFindings } from "../lint/finding.ts";
import type { Finding } from "../lint/finding.ts";
import { lintAction, lintWorkflow } from "../lint/lint-workflow.ts";
import type { Step, Workflow } from "../workflow/workflow.ts";
import { lookUpAction, readFileAsWorkflow } from "./read-files.ts";
import type { NamedRead } from "./read-files.ts";
import { findWorkflowFiles } from "./workflow-files.ts";

export interface LintReport {
  /** Workflows that were looked for, the broken ones among them. */
  readonly files: number;
  /** Each once, in the order of the files. */
  readonly findings: readonly Finding[];
  /** Of files that cannot be read. */
  readonly diagnostics: readonly Diagnostic[];
}

/** `path` as for a run: a workflow file or a directory, absolute. Nothing is fetched. */
export async function lintFiles(path: string | undefined, workingDirectory: string): Promise<LintReport> {
  const { files, project, standsAlone } = await findWorkflowFiles(path, workingDirectory);
  const { root } = standsAlone ? await describeDirectory(project) : await describeRepository(project);
  const read = files.map((file) => readFileAsWorkflow(project, file));
  const lint = createLinter((directory) => lookUpAction(root, directory));
  return {
    files: files.length,
    findings: distinctFindings(read.map(lint)),
    diagnostics: read.flatMap(({ result }) => (result.kind === "refused" ? result.diagnostics : [])),
  };
}

/** Reads each manifest once; a finding in it is the same object for every workflow that uses it. */
export function createLinter(lookup: ManifestLookup): (read: NamedRead) => readonly Finding[] {
  const actions = new Map<string, LintedAction>();
  const lintOnce = (directory: string): LintedAction => {
    const action = actions.get(directory) ?? lintDirectory(directory, lookup);
    actions.set(directory, action);
    return action;
  };
  return ({ result, text }) => {
    if (result.kind === "refused") return [];
    const findings = [...lintWorkflow(result.workflow, text)];
    const seen = new Set(localActions(stepsOf(result.workflow)));
    // A set may grow while it is gone through.
    for (const directory of seen) {
      const action = lintOnce(directory);
      findings.push(...action.findings);
      for (const used of action.uses) seen.add(used);
    }
    return findings;
  };
}

interface LintedAction {
  readonly findings: readonly Finding[];
  /** Directories of the actions that it uses itself. */
  readonly uses: readonly string[];
}

function lintDirectory(directory: string, lookup: ManifestLookup): LintedAction {
  const found = lookup(directory);
  const read = found === undefined ? undefined : readManifest(found.path, found.text);
  // What is wrong with a manifest is told where its action is planned.
  if (found === undefined || read === undefined || read.kind === "refused") return { findings: [], uses: [] };
  const { runs } = read.manifest;
  const uses = runs.kind === "composite" ? localActions(runs.steps) : [];
  return { findings: lintAction(found.path, read.manifest, found.text), uses };
}

function localActions(steps: readonly Step[]): readonly string[] {
  return steps.flatMap((step) => {
    if (step.kind === "control") return localActions(step.steps);
    if (step.kind !== "uses" || !/^\.[/\\]/.test(step.uses)) return [];
    const directory = posix.normalize(step.uses.replaceAll("\\", "/")).replace(/\/$/, "");
    return directory === ".." || directory.startsWith("../") ? [] : [directory];
  });
}

function stepsOf({ jobs }: Workflow): readonly Step[] {
  return jobs.flatMap((job) => (job.kind === "steps" ? job.steps : []));
}
