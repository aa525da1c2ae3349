/**
 * From a path, an event's name and what the user wants of it to plans: files read, event made, every file planned, a broken one
 * beside the others. The working tree becomes a commit only where a planned step checks it out.
 */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { ActionSource } from "../action/action-source.ts";
import type { WayOptions } from "../action/choose-way.ts";
import { faultOfPolicy } from "../action/policy.ts";
import { toText } from "../expression/coerce.ts";
import type { Value } from "../expression/template.ts";
import type { Remote } from "../git/network-git.ts";
import { describeDirectory, describeRepository } from "../git/repository.ts";
import type { Repository } from "../git/repository.ts";
import { snapshotWorkingTree } from "../git/working-tree.ts";
import type { Snapshot } from "../git/working-tree.ts";
import type { CalledWorkflows } from "../plan/called-workflow.ts";
import type { Event } from "../plan/event.ts";
import { planWorkflow } from "../plan/plan-workflow.ts";
import { jobsOf } from "../plan/jobs-of.ts";
import type { WayChooser } from "../plan/plan-jobs.ts";
import type { PlanRequest } from "../plan/plan-workflow.ts";
import type { PlannedWorkflow, PlanResult, RemoteAction, Way } from "../plan/plan.ts";
import { leaveOutUnsupported } from "../plan/leave-out.ts";
import type { RunnerMap } from "../plan/runner-map.ts";
import { withOwnSchedule } from "../plan/schedule.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { overlay } from "../lib/overlay.ts";
import type { Finding } from "../lint/finding.ts";
import { strictDiagnostics } from "../lint/strict.ts";
import type { Translator } from "../translate/translator.ts";
import type { Workflow } from "../workflow/workflow.ts";
import { createEventSource, madeUpRefs } from "./event-source.ts";
import { loadHearthSettings } from "./hearth-settings.ts";
import type { HearthHost, HearthSettings } from "./hearth-settings.ts";
import type { WorkflowSources } from "./called-workflows.ts";
import { createLinter } from "./lint-files.ts";
import { LOCK_FILE } from "./lock.ts";
import type { Lock } from "./lock.ts";
import { lookUpAction, readFileAsWorkflow } from "./read-files.ts";
import type { NamedRead } from "./read-files.ts";
import { ReferencePins } from "./reference-pins.ts";
import { plannedUses, selectActions, withOwnActions } from "./select-actions.ts";
import { HEARTH_FILE } from "./settings-node.ts";
import { alwaysTranslated } from "./translate-settings.ts";
import { findWorkflowFiles } from "./workflow-files.ts";
import type { SourceSettings } from "./workflow-sources.ts";

export interface SelectRequest {
  /** A workflow file or a directory, absolute; undefined: `.github/workflows` of the repository around the working directory. */
  readonly path: string | undefined;
  readonly event: string;
  /** The event's body; undefined: made from the repository. */
  readonly payload: { readonly [key: string]: Value } | undefined;
  /** Which entry of `on.schedule` fires; undefined: every workflow's own first. */
  readonly schedule?: string | undefined;
  /** This job and those it needs; undefined: all. */
  readonly job: string | undefined;
  /** Only matrix cells that have these values, compared as text. */
  readonly matrix: readonly { readonly key: string; readonly value: string }[];
  /** Of workflow_dispatch, not yet typed. */
  readonly inputs: { readonly [name: string]: string };
  /** Over those of `hearth.yml`. */
  readonly vars: { readonly [name: string]: string };
  /** For fetching called workflows and actions, before that of the settings. */
  readonly githubToken?: string | undefined;
  /** Jobs and cells that cannot run here are left out, rather than that their workflow is refused. */
  readonly skipUnsupported: boolean;
  /** Actions of other repositories that are not on this host are fetched. */
  readonly fetch?: boolean | undefined;
  /** References that the lock file does not know are refused. */
  readonly locked?: boolean | undefined;
  /** References and translations that the lock file does not know are refused. */
  readonly frozen?: boolean | undefined;
  /** False: what cannot run here is not translated. `models`: whoever translates what no rule does is asked, too. */
  readonly translate?: boolean | "models" | undefined;
  /** Texts that whoever translates must never be sent. */
  readonly secrets?: readonly string[] | undefined;
  /** False: Hearth's own equivalents of actions are not used. */
  readonly builtins?: boolean | undefined;
  /** Told what is being fetched. */
  readonly onProgress?: ((line: string) => void) | undefined;
  /** A workflow with a finding of severity error is refused. */
  readonly strict?: boolean | undefined;
}

export interface Selection {
  /** Absolute path of the repository's root. */
  readonly repository: string;
  readonly event: Event;
  /** One for each workflow file, in the order of their paths. */
  readonly results: readonly PlanResult[];
  /** For each result, what lint has to say of its file and of the repository's actions it uses. */
  readonly findings: readonly (readonly Finding[])[];
  /** What `hearth.yml` says of `runs-on`, else the defaults. */
  readonly runners: RunnerMap;
  /** Those of `hearth.yml`, and those of the request over them. */
  readonly vars: { readonly [name: string]: string };
  /** Those of `hearth.yml`. */
  readonly secrets: { readonly [name: string]: string };
  /** Hosts of `hearth.yml` that machines may reach, because the operator takes its list. */
  readonly network: readonly string[];
  /** What is to be said of `hearth.yml`. */
  readonly warnings: readonly Diagnostic[];
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
  /** Repositories that the operator keeps; undefined for none. */
  readonly mirrorDir: string | undefined;
  /** Where called workflows and actions of other repositories are fetched from. */
  readonly remote: Remote;
  /** Where the working tree's commit is built; asked for only when it is needed. */
  readonly scratch: () => Promise<string>;
  /** Asked only where a request wants `models`. */
  readonly translator?: (() => Promise<Translator | undefined>) | undefined;
  readonly host: HearthHost;
}

/** What a run of the selection needs beside its plan. */
export interface SelectionParts {
  /** Undefined where no planned step checks the repository out. */
  readonly snapshot: Snapshot | undefined;
  readonly actions: ActionSource;
}

export async function selectWorkflows(
  request: SelectRequest,
  environment: SelectEnvironment,
): Promise<Selection & SelectionParts> {
  const found = await findWorkflowFiles(request.path, environment.workingDirectory);
  // The git processes run while the files are read.
  const [repository, read] = await Promise.all([
    found.standsAlone ? describeDirectory(found.project) : describeRepository(found.project),
    Promise.resolve(found.files.map((file) => readFileAsWorkflow(found.project, file))),
  ]);
  const settings = await loadHearthSettings(repository.root, environment.host);
  const vars = overlay(settings.vars, request.vars);
  const lookup = (directory: string) => lookUpAction(repository.root, directory);
  const policy: WayOptions["policy"] = (reference) => faultOfPolicy(reference, settings.actions, HEARTH_FILE);
  const lock = await lockOf(repository);
  const pins = new ReferencePins(lock, {
    locked: request.locked === true,
    frozen: request.frozen === true,
    own: repository,
  });
  const { mirrorDir } = environment;
  const remote = { ...environment.remote, token: request.githubToken ?? environment.remote.token };
  // Of the event that is being planned: the commit of the working tree is known only later.
  let own: Pick<RemoteAction, "repository" | "sha"> | undefined;
  const isOwn = ({ repository: name, sha }: RemoteAction): boolean => name === own?.repository && sha === own.sha;
  const actions = selectActions({
    lookup,
    options: { builtins: request.builtins ?? true, policy, isOwn, translatesAlways: alwaysTranslated(settings) },
    pins,
    translations: isTranslating(request, settings)
      ? async () => ({
          pinned: lock?.translations ?? [],
          frozen: request.frozen === true,
          rules: settings.translate.rules,
          translator: request.translate === "models" ? await environment.translator?.() : undefined,
        })
      : undefined,
    repository,
    mirrorDir,
    remote,
    fetch: request.fetch === true ? "missing" : "never",
    progress: request.onProgress ?? (() => undefined),
  });
  const findings = read.map(createLinter(lookup));
  const events = await createEventSource(request, repository, read.flatMap(workflowOf), environment.actor);
  const called = await calledBy(read, request.event, (signal) =>
    createGuardedSources({ repository, mirrorDir, remote, signal }, policy, pins),
  );
  const planAll = (chooseWay: WayChooser, workingTree?: Snapshot): Pick<Selection, "event" | "results"> => {
    const event = events.at(workingTree);
    own = { repository: `${event.repository.owner}/${event.repository.name}`, sha: event.sha };
    const around = { chooseWay, called, runners: settings.runners };
    const planned = read.map((result) => planRead(result, { ...request, vars }, event, around));
    const results =
      request.strict === true ? planned.map((plan, index) => withStrict(plan, findings[index] ?? [])) : planned;
    return { event, results };
  };

  let chooseWay = actions.firstChooser;
  let planned = planAll(chooseWay);
  if (actions.isLacking()) {
    chooseWay = await actions.load(plannedUses(planned.results));
    planned = planAll(chooseWay);
  }
  const snapshot = planned.results.some((result) => needsCommit(result, isOwn))
    ? await snapshotWorkingTree(repository, await environment.scratch(), madeUpRefs(planned.event, repository))
    : undefined;
  // The commit that stands for uncommitted changes is what steps must see as GITHUB_SHA.
  const final = snapshot === undefined || snapshot.sha === repository.headSha ? planned : planAll(chooseWay, snapshot);
  const { runners, secrets, environments, network } = settings;
  const warnings = [...warningsOf(settings, final.results), ...pins.warnings, ...actions.warnings()];
  const around = { runners, vars, secrets, environments, network, warnings };
  return {
    repository: repository.root,
    ...final,
    findings,
    ...around,
    snapshot,
    actions: withOwnActions(actions.source, isOwn, snapshot),
  };
}

/** Nothing of the lock file is loaded where there is none. */
async function lockOf({ root }: Repository): Promise<Lock | undefined> {
  const isThere = lstatSync(join(root, LOCK_FILE), { throwIfNoEntry: false }) !== undefined;
  return isThere ? (await import("./lock-file.ts")).readLock(root) : undefined;
}

function isTranslating({ translate }: SelectRequest, settings: HearthSettings): boolean {
  return translate !== false && settings.translate.on;
}

/** Nothing of it is loaded where no job calls a workflow, which is nearly everywhere. */
async function calledBy(
  read: readonly NamedRead[],
  event: string,
  sources: (signal: AbortSignal) => Promise<WorkflowSources>,
): Promise<CalledWorkflows> {
  const callers = read.flatMap(({ result }) =>
    result.kind === "read" && result.workflow.jobs.some((job) => job.kind === "call") ? [result.workflow] : [],
  );
  if (callers.length === 0) return (uses) => ({ kind: "missing", message: `Nothing calls '${uses}'` });
  const { loadCalledWorkflows } = await import("./called-workflows.ts");
  const starts = (workflow: Workflow): boolean => workflow.triggers.some((trigger) => trigger.event === event);
  const calling = callers.map((workflow) => ({ workflow, starts: starts(workflow) }));
  return loadCalledWorkflows(calling, await sources(AbortSignal.timeout(FETCH_DEADLINE_MS)));
}

async function createGuardedSources(
  settings: SourceSettings,
  policy: WayOptions["policy"],
  pins: ReferencePins,
): Promise<WorkflowSources> {
  const [{ createWorkflowSources }, { guardedSources }] = await Promise.all([
    import("./workflow-sources.ts"),
    import("./guarded-sources.ts"),
  ]);
  return guardedSources(createWorkflowSources(settings), policy, pins);
}

/** For all called workflows that one command fetches. */
const FETCH_DEADLINE_MS = 120_000;

function workflowOf({ result }: NamedRead): readonly Workflow[] {
  return result.kind === "read" ? [result.workflow] : [];
}

function planRead(
  { path, result }: NamedRead,
  { inputs, vars, job, matrix, skipUnsupported }: SelectRequest,
  event: Event,
  { chooseWay, called, runners }: Pick<PlanRequest, "chooseWay" | "called" | "runners">,
): PlanResult {
  if (result.kind === "refused") return { kind: "refused", path, diagnostics: result.diagnostics };
  const { workflow, warnings } = result;
  const options = {
    event: withOwnSchedule(event, workflow),
    inputs,
    vars,
    chooseWay,
    called,
    runners,
    select: { job, matrix },
    warnings,
  };
  const planned = planWorkflow(workflow, options);
  return skipUnsupported ? leaveOutUnsupported(planned, options) : planned;
}

/** A finding that `--strict` refuses stands among what is to be said of the plan. */
function withStrict(result: PlanResult, findings: readonly Finding[]): PlanResult {
  if (result.kind !== "planned") return result;
  return { ...result, warnings: [...result.warnings, ...strictDiagnostics(findings)] };
}

/** Of an environment only where a job may ask for it: who does not deploy has no keys for that. */
function warningsOf(settings: HearthSettings, results: readonly PlanResult[]): readonly Diagnostic[] {
  const asked = new Set(results.flatMap((result) => (result.kind === "planned" ? environmentsOf(result.plan) : [])));
  const environments = Object.entries(settings.environments);
  const used = environments.filter(([name]) => asked.has(name) || asked.has(undefined));
  return [...settings.warnings, ...used.flatMap(([, { warnings }]) => warnings)];
}

/** Names in lower case; undefined for one that only the run knows. */
function environmentsOf(plan: PlannedWorkflow): readonly (string | undefined)[] {
  return jobsOf(plan).flatMap(({ job }) => {
    const environment = job.kind === "steps" ? job.environment : undefined;
    if (environment === undefined) return [];
    return [environment.kind === "literal" ? toText(environment.value).toLowerCase() : undefined];
  });
}

/** Whether a step checks the repository out, or is an action of the commit that the workflow is from. */
function needsCommit(result: PlanResult, isOwn: (action: RemoteAction) => boolean): boolean {
  const needs = (way: Way): boolean =>
    isCheckout(way) ||
    ("action" in way && way.action !== undefined && isOwn(way.action)) ||
    (way.kind === "composite" && way.steps.some((step) => needs(step.way)));
  return result.kind === "planned" && jobsOf(result.plan).some(({ steps }) => steps.some(({ way }) => needs(way)));
}

/** Ours, or the real one, which is served the same commit. */
function isCheckout(way: Way): boolean {
  if (way.kind === "builtin") return way.builtin === "checkout";
  return way.kind === "javascript" && way.action?.repository.toLowerCase() === "actions/checkout";
}
