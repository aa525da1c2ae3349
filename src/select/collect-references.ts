/**
 * Every reference to another repository in workflow files, whatever starts them, and in what these use and call: for the lock file,
 * and for fetching before there is no network. Built-ins do not count, since whether one is used is decided in each run.
 */
import type { RemoteReference } from "../action/reference.ts";
import { describeDirectory, describeRepository } from "../git/repository.ts";
import type { Repository } from "../git/repository.ts";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { RemoteAction } from "../plan/plan.ts";
import { stepsOf } from "../plan/plan-jobs.ts";
import { readWorkflow } from "../workflow/read-workflow.ts";
import type { Workflow } from "../workflow/workflow.ts";
import type { ActionLibrary } from "./action-library.ts";
import { loadCalledWorkflows } from "./called-workflows.ts";
import type { WorkflowSources } from "./called-workflows.ts";
import type { LoadSettings } from "./load-actions.ts";
import { loadActions } from "./load-actions.ts";
import { lookUpAction, readFileAsWorkflow } from "./read-files.ts";
import { findWorkflowFiles } from "./workflow-files.ts";

export type CollectedReference = { readonly reference: RemoteReference } & (
  | {
      readonly kind: "found";
      readonly sha: string;
      readonly file: { readonly path: string; readonly text: string } | undefined;
    }
  /** `reason` is a sentence with what to do. */
  | { readonly kind: "missing"; readonly reason: string }
);

export interface WorkflowSet {
  readonly repository: Repository;
  readonly workflows: readonly Workflow[];
}

/** `path` as for a run. Throws BAD_USAGE for workflows that cannot be read: what they use would be left out. */
export async function readWorkflowSet(path: string | undefined, workingDirectory: string): Promise<WorkflowSet> {
  const { files, project, standsAlone } = await findWorkflowFiles(path, workingDirectory);
  const repository = await (standsAlone ? describeDirectory(project) : describeRepository(project));
  const read = files.map((file) => readFileAsWorkflow(project, file).result);
  const faults = read.flatMap((result) => (result.kind === "refused" ? result.diagnostics : []));
  if (faults.length > 0) {
    const lines = faults.slice(0, 20).map(formatDiagnostic);
    throw new EngineError("BAD_USAGE", ["Cannot read every workflow:", ...lines].join("\n"));
  }
  return { repository, workflows: read.flatMap((result) => (result.kind === "read" ? [result.workflow] : [])) };
}

export async function collectReferences(
  { repository, workflows }: WorkflowSet,
  {
    library,
    sources,
    policy,
  }: { readonly library: ActionLibrary; readonly sources: WorkflowSources } & Pick<LoadSettings["options"], "policy">,
): Promise<readonly CollectedReference[]> {
  const called = await collectCalled(workflows, sources);
  const own: RemoteAction = { repository: `${repository.owner}/${repository.name}`, path: "", ref: "", sha: "" };
  const uses = [...workflows.map((workflow) => ({ workflow, inside: own })), ...called.workflows].flatMap(
    ({ workflow, inside }) => workflow.jobs.flatMap(stepsOf).map((step) => ({ step, inside })),
  );
  const lookup = (directory: string) => lookUpAction(repository.root, directory);
  const isOwn = (from: RemoteAction): boolean => from.repository === own.repository && from.sha === "";
  await loadActions(uses, { library, lookup, options: { builtins: false, policy, isOwn } });
  const actions = library.all().map(({ reference, known }): CollectedReference => {
    if (known.kind !== "found") return { reference, kind: "missing", reason: `it ${known.fault}: ${known.fix}` };
    return { reference, kind: "found", sha: known.action.sha, file: known.manifest };
  });
  return [...called.references, ...actions];
}

interface CalledFile {
  readonly workflow: Workflow;
  readonly inside: RemoteAction;
}

/** What is called, level by level, as it was read on the way. */
async function collectCalled(
  workflows: readonly Workflow[],
  sources: WorkflowSources,
): Promise<{ readonly references: readonly CollectedReference[]; readonly workflows: readonly CalledFile[] }> {
  const references: CollectedReference[] = [];
  const found: CalledFile[] = [];
  const recording: WorkflowSources = {
    workingTree: sources.workingTree,
    async open(at) {
      const tree = await sources.open(at);
      if (typeof tree === "string") {
        references.push({ reference: { ...at, path: "" }, kind: "missing", reason: tree });
        return tree;
      }
      return {
        ...tree,
        async read(path) {
          const content = await tree.read(path);
          const text = content.kind === "text" ? content.text : undefined;
          const file = text === undefined ? undefined : { path, text };
          const { repository, ref, sha } = tree.from;
          references.push({ reference: { ...at, path }, kind: "found", sha, file });
          const read = text === undefined ? undefined : readWorkflow(path, text);
          const inside = { repository, path: "", ref, sha };
          if (read?.kind === "read") found.push({ workflow: read.workflow, inside });
          return content;
        },
      };
    },
  };
  await loadCalledWorkflows(
    workflows.map((workflow) => ({ workflow, starts: true })),
    recording,
  );
  return { references, workflows: found };
}
