/** A workflow's text through reader, planner and engine to its events: the engine's public door for tests, on any provider. */
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ActionSource } from "../src/action/action-source.ts";
import { createWayChooser } from "../src/action/choose-way.ts";
import type { ManifestLookup } from "../src/action/choose-way.ts";
import type { Checkpoints } from "../src/checkpoint/checkpoints.ts";
import type { JobDoor } from "../src/door/live-job.ts";
import { createConcurrencyGroups } from "../src/engine/concurrency-groups.ts";
import type { ConcurrencyGroups } from "../src/engine/concurrency-groups.ts";
import type { ForkDirectories } from "../src/engine/matrix-fork-directories.ts";
import type { Resumption } from "../src/engine/resumption.ts";
import { runWorkflow } from "../src/engine/run-workflow.ts";
import type { CancelLadder } from "../src/engine/exec-process.ts";
import type { EarlierAttempt, RunOutcome, RunSettings } from "../src/engine/run-settings.ts";
import { describeDirectory } from "../src/git/repository.ts";
import { snapshotWorkingTree } from "../src/git/working-tree.ts";
import { formatDiagnostic } from "../src/lib/diagnostic.ts";
import { makeEvent } from "../src/plan/make-event.ts";
import type { CalledWorkflows } from "../src/plan/called-workflow.ts";
import { planWorkflow } from "../src/plan/plan-workflow.ts";
import { defaultRunners } from "../src/plan/runner-map.ts";
import type { RunnerMap } from "../src/plan/runner-map.ts";
import type { Plan, PlanResult } from "../src/plan/plan.ts";
import type { Value } from "../src/expression/template.ts";
import { hostProvider } from "../src/provider/host/provider.ts";
import type { Provider } from "../src/provider/provider.ts";
import { createServices } from "../src/service/local-services.ts";
import { createLookup } from "../src/service/repository-lookup.ts";
import type { Services } from "../src/service/services.ts";
import type { Fate, RunEventBody } from "../src/store/run-event.ts";
import { readWorkflow } from "../src/workflow/read-workflow.ts";
import { fakeActionSource, fakeTranslations, knownActions } from "./fake-actions.ts";
import type { FakeActions } from "./fake-actions.ts";

export interface YamlRunOptions {
  readonly provider?: Provider;
  readonly secrets?: Record<string, string>;
  readonly vars?: Record<string, string>;
  readonly env?: Record<string, string>;
  readonly machinePer?: "workflow" | "job";
  readonly ladder?: CancelLadder;
  readonly debug?: boolean;
  readonly trusted?: boolean;
  readonly services?: Services;
  readonly environments?: RunSettings["environments"];
  readonly runners?: RunnerMap;
  readonly skipUnsupported?: boolean;
  readonly earlier?: EarlierAttempt;
  readonly checkpoints?: Checkpoints;
  readonly resumption?: Resumption;
  readonly pauseOnFailure?: boolean;
  readonly door?: JobDoor;
  readonly forks?: ForkDirectories;
  readonly now?: () => number;
  readonly concurrency?: ConcurrencyGroups;
  /** Actions of other repositories, by `owner/name@ref`. */
  readonly actions?: FakeActions;
  /** What brings them into the machine; made of `actions` when undefined. */
  readonly actionSource?: ActionSource;
  /** Files of the repository that the workflow checks out, by path. */
  readonly files?: Record<string, string>;
  /** Called with every event, so that a test can cancel at a moment of its choice. */
  readonly onEvent?: (event: RunEventBody, abort: { cancel(): void; kill(): void }) => void;
}

export interface YamlRun {
  readonly outcome: RunOutcome;
  readonly events: readonly RunEventBody[];
  /** `job/step` to the fate in short: `success`, `failure/success`, `skipped`, `cancelled`, `not_reached`. */
  readonly fates: Readonly<Record<string, string>>;
  /** `job` to its conclusion. */
  readonly conclusions: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Lines of the steps' own processes, without the preambles. */
  readonly lines: readonly string[];
  readonly annotations: readonly string[];
}

export interface YamlEvent {
  readonly name: string;
  readonly payload?: { readonly [key: string]: Value };
  readonly ref?: string;
  readonly headCommitMessage?: string;
  readonly changedFiles?: readonly string[];
}

/** What planning a text needs to know beside it. */
export interface YamlPlanOptions {
  readonly files?: Record<string, string>;
  readonly actions?: FakeActions;
  readonly sha?: string;
  readonly vars?: Record<string, string>;
  /** A push to `main` when undefined. */
  readonly event?: YamlEvent;
  readonly inputs?: Record<string, string>;
}

/** The way of every command: read, then planned for the event. */
export function planText(yaml: string, options: YamlPlanOptions = {}): PlanResult {
  const { files = {}, actions = {}, sha = "0".repeat(40), event = { name: "push" }, inputs = {}, vars = {} } = options;
  const path = ".github/workflows/test.yml";
  const read = readWorkflow(path, yaml);
  if (read.kind === "refused") return { kind: "refused", path, diagnostics: read.diagnostics };
  const repository = { owner: "octo", name: "repo", defaultBranch: "main", headSha: sha };
  const { ref = "refs/heads/main", headCommitMessage = "" } = event;
  return planWorkflow(read.workflow, {
    event: makeEvent(
      { ...repository, ref, headCommitMessage },
      { name: event.name, payload: event.payload, inputs, actor: "tester", changedFiles: event.changedFiles },
    ),
    inputs,
    vars,
    chooseWay: createWayChooser(lookupIn(files), {
      builtins: true,
      known: knownActions(actions),
      translated: fakeTranslations(actions),
    }),
    called: callsAmong(files),
    runners: defaultRunners,
    select: { job: undefined, matrix: [] },
    warnings: read.warnings,
  });
}

function lookupIn(files: Record<string, string> = {}): ManifestLookup {
  return (directory) => {
    const path = join(directory, "action.yml");
    const text = files[path];
    return text === undefined ? undefined : { path, text };
  };
}

/** Workflows among the repository's files, by `./` and by the repository's own name at any ref. */
function callsAmong(files: Record<string, string>): CalledWorkflows {
  return (uses, caller) => {
    const path = uses.replace(/^\.\//u, "").replace(/^octo\/repo\/(.*)@.*$/u, "$1");
    const text = files[path];
    if (text === undefined) return { kind: "missing", message: `Cannot find the workflow '${uses}'` };
    return { kind: "found", path, read: readWorkflow(path, text), origin: { ...caller, path } };
  };
}

/** Throws with the diagnostics when the text is refused or not triggered. */
export function planYaml(
  yaml: string,
  files: Record<string, string> = {},
  sha = "0".repeat(40),
  actions: FakeActions = {},
): Plan {
  const planned = planText(yaml, { files, sha, actions });
  if (planned.kind === "refused") throw new Error(planned.diagnostics.map(formatDiagnostic).join("\n"));
  if (planned.kind === "not_triggered") throw new Error(planned.reason);
  return planned.plan;
}

export async function runYaml(yaml: string, options: YamlRunOptions = {}): Promise<YamlRun> {
  return withRepository(options.files, (repository) =>
    runPlan(planYaml(yaml, options.files, repository?.sha, options.actions), options, repository?.gitDir),
  );
}

/** The files as a commit that a run can check out; gone when `use` has ended. */
export async function withRepository<T>(
  files: Record<string, string> | undefined,
  use: (repository: { readonly gitDir: string; readonly sha: string } | undefined) => Promise<T>,
): Promise<T> {
  if (files === undefined) return use(undefined);
  const scratch = await mkdtemp(join(tmpdir(), "hearth-test-"));
  try {
    return await use(await makeSnapshot(scratch, files));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

export async function runPlan(plan: Plan, options: YamlRunOptions, gitDir?: string): Promise<YamlRun> {
  const events: RunEventBody[] = [];
  const cancel = new AbortController();
  const kill = new AbortController();
  const abort = { cancel: () => cancel.abort(), kill: () => kill.abort() };
  const own = gitDir === undefined ? undefined : { ...plan.event.repository, gitDir };
  const outcome = await runWorkflow(
    plan,
    settingsOf(options),
    {
      provider: options.provider ?? hostProvider({ env: process.env }),
      namedProvider: async () => options.provider ?? hostProvider({ env: process.env }),
      concurrency: options.concurrency ?? createConcurrencyGroups(),
      services: options.services ?? createServices({ lookup: createLookup(own, undefined) }),
      actions: options.actionSource ?? fakeActionSource(options.actions ?? {}, lookupIn(options.files)),
      emit: (event) => {
        events.push(event);
        options.onEvent?.(event, abort);
      },
      checkpoints: options.checkpoints,
      door: options.door,
      forks: options.forks,
      now: options.now ?? (() => performance.now()),
      newId: randomUUID,
      ladder: options.ladder ?? { interruptMs: 200, terminateMs: 200, killMs: 5_000 },
    },
    { cancel: cancel.signal, kill: kill.signal },
  );
  return { outcome, events, ...summarise(events) };
}

function settingsOf(options: YamlRunOptions): RunSettings {
  return {
    run: `t${randomUUID().slice(0, 8)}`,
    runId: 1,
    runNumber: 1,
    secrets: options.secrets ?? {},
    vars: options.vars ?? {},
    env: options.env ?? {},
    environments: options.environments ?? {},
    runners: options.runners ?? defaultRunners,
    skipUnsupported: options.skipUnsupported ?? false,
    earlier: options.earlier,
    resumption: options.resumption,
    pauseOnFailure: options.pauseOnFailure,
    machinePer: options.machinePer ?? "workflow",
    trusted: options.trusted ?? true,
    maxParallelJobs: 4,
    network: { kind: "closed" },
    cpus: 1,
    memoryMib: 1024,
    certificateAuthorities: undefined,
    npmRegistry: undefined,
    debug: options.debug ?? false,
  };
}

async function makeSnapshot(scratch: string, files: Record<string, string>): Promise<{ gitDir: string; sha: string }> {
  const project = join(scratch, "repo");
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(project, path)), { recursive: true });
    await writeFile(join(project, path), content);
  }
  return snapshotWorkingTree(await describeDirectory(project), join(scratch, "tree"));
}

function summarise(events: readonly RunEventBody[]): Omit<YamlRun, "outcome" | "events"> {
  const fates: Record<string, string> = {};
  const conclusions: Record<string, string> = {};
  const outputs: Record<string, Readonly<Record<string, string>>> = {};
  const lines: string[] = [];
  const annotations: string[] = [];
  let folded = false;
  for (const event of events) {
    if (event.type === "step_completed" && event.phase !== "set_up" && event.phase !== "complete") {
      fates[`${event.job}/${event.step}`] = shortFate(event.fate);
    }
    if (event.type === "job_completed") conclusions[event.job] = event.conclusion;
    if (event.type === "job_completed") outputs[event.job] = event.outputs;
    if (event.type === "group" && event.title.startsWith("Run ")) folded = true;
    const isPreamble = event.type === "log" && (event.step === "set-up" || event.line === "Post job cleanup.");
    if (event.type === "log" && !folded && !isPreamble) lines.push(event.line);
    if (event.type === "group_end") folded = false;
    if (event.type === "annotation") annotations.push(`${event.annotation.level}: ${event.annotation.message}`);
  }
  return { fates, conclusions, outputs, lines, annotations };
}

function shortFate(fate: Fate): string {
  if (fate.kind !== "ran") return fate.kind;
  return fate.outcome === fate.conclusion ? fate.outcome : `${fate.outcome}/${fate.conclusion}`;
}
