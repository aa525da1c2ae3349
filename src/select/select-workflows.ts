/**
 * From a path, an event's name and what the user wants of it to plans: files read, event made, every file planned, a broken one
 * beside the others. The working tree becomes a commit only where a planned step checks it out.
 */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createWayChooser } from "../action/choose-way.ts";
import { MANIFEST_FILES, MAX_MANIFEST_BYTES } from "../action/manifest.ts";
import type { Value } from "../expression/template.ts";
import { changedFiles, describeDirectory, describeRepository } from "../git/repository.ts";
import { snapshotWorkingTree } from "../git/working-tree.ts";
import type { Snapshot } from "../git/working-tree.ts";
import type { CalledWorkflows } from "../plan/called-workflow.ts";
import type { Event } from "../plan/event.ts";
import { makeEvent } from "../plan/make-event.ts";
import { planWorkflow } from "../plan/plan-workflow.ts";
import type { Plan, PlanResult, Way } from "../plan/plan.ts";
import { defaultRunners } from "../plan/runner-map.ts";
import type { RunnerMap } from "../plan/runner-map.ts";
import { readWorkflow } from "../workflow/read-workflow.ts";
import type { ReadResult } from "../workflow/read-workflow.ts";
import { findWorkflowFiles, workflowPath } from "./workflow-files.ts";

export interface SelectRequest {
  /** A workflow file or a directory, absolute; undefined: `.github/workflows` of the repository around the working directory. */
  readonly path: string | undefined;
  readonly event: string;
  /** The event's body; undefined: made from the repository. */
  readonly payload: { readonly [key: string]: Value } | undefined;
  /** This job and those it needs; undefined: all. */
  readonly job: string | undefined;
  /** Only matrix cells that have these values, compared as text. */
  readonly matrix: readonly { readonly key: string; readonly value: string }[];
  /** Of workflow_dispatch, not yet typed. */
  readonly inputs: { readonly [name: string]: string };
  readonly vars: { readonly [name: string]: string };
}

export interface Selection {
  /** Absolute path of the repository's root. */
  readonly repository: string;
  readonly event: Event;
  /** One for each workflow file, in the order of their paths. */
  readonly results: readonly PlanResult[];
  /** What `hearth.yml` says of `runs-on`, else the defaults. */
  readonly runners: RunnerMap;
  /** By name in lower case, from `hearth.yml`. */
  readonly environments: {
    readonly [name: string]: {
      readonly secrets: { readonly [name: string]: string };
      readonly vars: { readonly [name: string]: string };
    };
  };
}

export interface SelectEnvironment {
  readonly workingDirectory: string;
  /** Login of `github.actor`. */
  readonly actor: string;
  readonly builtins: boolean;
  /** Where the working tree's commit is built; asked for only when it is needed. */
  readonly scratch: () => Promise<string>;
}

/** `snapshot` is undefined where no planned step checks the repository out. */
export async function selectWorkflows(
  request: SelectRequest,
  environment: SelectEnvironment,
): Promise<Selection & { readonly snapshot: Snapshot | undefined }> {
  const found = await findWorkflowFiles(request.path, environment.workingDirectory);
  const [repository, read] = await Promise.all([
    found.standsAlone ? describeDirectory(found.project) : describeRepository(found.project),
    Promise.all(found.files.map((file) => readFileAsWorkflow(found.project, file))),
  ]);
  const chooseWay = createWayChooser((path) => lookUpAction(repository.root, path), { builtins: environment.builtins });
  const changed = read.some(({ result }) => filtersPaths(result, request.event))
    ? await changedFiles(repository)
    : undefined;
  const planAll = (sha: string | undefined): Pick<Selection, "event" | "results"> => {
    const event = makeEvent(
      { ...repository, headSha: sha },
      {
        name: request.event,
        payload: request.payload,
        inputs: request.inputs,
        actor: environment.actor,
        changedFiles: changed,
      },
    );
    return { event, results: read.map((result) => planRead(result, request, event, chooseWay)) };
  };

  const planned = planAll(repository.headSha);
  const snapshot = planned.results.some(checksOut)
    ? await snapshotWorkingTree(repository, await environment.scratch())
    : undefined;
  // The commit that stands for uncommitted changes is what steps must see as GITHUB_SHA.
  const final = snapshot === undefined || snapshot.sha === repository.headSha ? planned : planAll(snapshot.sha);
  return { repository: repository.root, ...final, runners: defaultRunners, environments: {}, snapshot };
}

/** Finding out what changed costs two git processes, and few workflows ask. */
function filtersPaths(result: ReadResult, event: string): boolean {
  return (
    result.kind === "read" &&
    result.workflow.triggers.some(
      (trigger) => trigger.event === event && (trigger.paths !== undefined || trigger.pathsIgnore !== undefined),
    )
  );
}

interface NamedRead {
  readonly path: string;
  readonly result: ReadResult;
}

async function readFileAsWorkflow(project: string, file: string): Promise<NamedRead> {
  const path = workflowPath(project, file);
  try {
    return { path, result: readWorkflow(path, await readFile(file, "utf8")) };
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    const message = `Cannot read the file: ${error.message}`;
    return {
      path,
      result: {
        kind: "refused",
        diagnostics: [{ kind: "error", file: path, at: undefined, key: undefined, message }],
        declaredSteps: undefined,
      },
    };
  }
}

function planRead(
  { path, result }: NamedRead,
  { inputs, vars, job, matrix }: SelectRequest,
  event: Event,
  chooseWay: ReturnType<typeof createWayChooser>,
): PlanResult {
  if (result.kind === "refused") return { kind: "refused", path, diagnostics: result.diagnostics };
  const { workflow, warnings } = result;
  const called: CalledWorkflows = (uses) => ({ kind: "missing", message: `Cannot find the workflow '${uses}'` });
  const options = {
    event,
    inputs,
    vars,
    chooseWay,
    called,
    runners: defaultRunners,
    select: { job, matrix },
    warnings,
  };
  return planWorkflow(workflow, options);
}

/** Synchronous, because planning is; a person's own files. */
function lookUpAction(root: string, path: string): { path: string; text: string } | undefined {
  for (const name of MANIFEST_FILES) {
    const file = join(path, name);
    try {
      const content = readFileSync(join(root, file));
      if (content.length <= MAX_MANIFEST_BYTES) return { path: file, text: content.toString("utf8") };
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
    }
  }
  return undefined;
}

function checksOut(result: PlanResult): boolean {
  return (
    result.kind === "planned" && plansWay(result.plan, (way) => way.kind === "builtin" && way.builtin === "checkout")
  );
}

function plansWay(plan: Plan, test: (way: Way) => boolean): boolean {
  const within = (way: Way): boolean =>
    test(way) || (way.kind === "composite" && way.steps.some((step) => within(step.way)));
  return plan.jobs.some(({ steps }) => steps.some(({ way }) => within(way)));
}
