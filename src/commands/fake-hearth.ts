/**
 * A Hearth for tests: selects what it is given and plays scripted runs. Knobs rather than mocks: a run can wait for its
 * cancellation, fail to begin, or end in trouble.
 */
import type { OpenCheckpoint, StoredCheckpoint } from "../checkpoint/checkpoint-store.ts";
import type { EnteredJob } from "../door/enter-run.ts";
import type { RunOutcome } from "../engine/run-settings.ts";
import { anEvent, aJob, aRunStep, aWorkflow } from "../plan/plan-fixture.ts";
import { defaultRunners } from "../plan/runner-map.ts";
import { unsupportedInPlan } from "../plan/unsupported.ts";
import type { Plan, PlannedJob, PlanResult, Way } from "../plan/plan.ts";
import type { Isolation, Provider } from "../provider/provider.ts";
import type { Conclusion, Fate, FateCounts, RunEvent, RunEventBody } from "../store/run-event.ts";
import type { RunStore, StoredRun } from "../store/run-store.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { Role } from "../server/api-tokens.ts";
import type { ServedHearth } from "./server-door.ts";
import type { Finding } from "../lint/finding.ts";
import type { KeptAction } from "../git/kept-actions.ts";
import type { Comparison } from "../select/comparison-projects.ts";
import type { TranslationChange } from "../select/manage-translations.ts";
import type { ManageReport } from "../select/manage-actions.ts";
import type { LintReport } from "../select/lint-files.ts";
import type { SecretSummary } from "../secret/secret-store.ts";
import type { SelectRequest } from "../select/select-workflows.ts";
import type { DoctorLine } from "../setup/inspect-host.ts";
import type {
  ArtifactSummary,
  CacheSummary,
  Hearth,
  ImageSummary,
  MachineSummary,
  MachineWish,
  OpenMachine,
  TemplateSummary,
  ToolSummary,
  RunOptions,
  WatchListener,
} from "./hearth.ts";

interface FakeRun {
  readonly events?: readonly RunEventBody[];
  readonly outcome?: Partial<RunOutcome>;
  /** Said while its machine is made. */
  readonly progress?: readonly string[];
  /** It ends only when it is cancelled or killed. */
  readonly untilCancelled?: boolean;
  readonly cannotBegin?: Error;
}

export interface FakeHearthOptions {
  readonly results?: readonly PlanResult[];
  /** Of the result at the same place. */
  readonly findings?: readonly (readonly Finding[])[];
  /** What `hearth lint` is told. */
  readonly lint?: Partial<LintReport>;
  /** By the workflow's path; what is not named succeeds at once. */
  readonly runs?: { readonly [path: string]: FakeRun };
  readonly concurrency?: number;
  readonly noProvider?: Error;
  readonly isolation?: Isolation;
  readonly stored?: readonly (StoredRun & { readonly events: readonly RunEvent[] })[];
  readonly images?: readonly ImageSummary[];
  /** The machine of the job of a run that is entered. */
  readonly inside?: (job: string | undefined) => EnteredJob;
  readonly tools?: readonly ToolSummary[];
  readonly caches?: readonly CacheSummary[];
  readonly checkpoints?: readonly StoredCheckpoint[];
  /** What is in them, by the step that comes next; undefined: none of them can be opened. */
  readonly opened?: (step: number) => Pick<OpenCheckpoint, "engine" | "directory">;
  /** Of no run, in place of the failure of every one. */
  readonly restored?: (wish: MachineWish) => OpenMachine;
  readonly machines?: readonly MachineSummary[];
  readonly reaped?: readonly string[];
  /** All but the first are pruned. */
  readonly templates?: readonly TemplateSummary[];
  readonly translations?: readonly TranslationChange[];
  readonly comparisons?: readonly Comparison[];
  readonly managed?: ManageReport;
  readonly keptActions?: readonly KeptAction[];
  readonly verified?: Awaited<ReturnType<Hearth["actions"]["verify"]>>;
  readonly artifacts?: readonly ArtifactSummary[];
  /** Those of every place. */
  readonly secrets?: readonly SecretSummary[];
  readonly doctorLines?: readonly DoctorLine[];
  readonly model?: Awaited<ReturnType<Hearth["inspectModel"]>>;
  readonly hostChecks?: Awaited<ReturnType<Hearth["inspectProductionHost"]>>;
  /** What a server answers: `GET /api/v1/runs?limit=50`. */
  readonly answers?: { readonly [request: string]: { readonly status?: number; readonly body: unknown } };
  /** What `hearth serve` becomes; undefined: it cannot. */
  readonly served?: Omit<ServedHearth, "drain">;
  /** The selection that is asked for as the `at`th fails. */
  readonly selectFails?: { readonly at: number; readonly error: Error };
}

const NOTHING_MANAGED: ManageReport = { repository: "/repo", changes: [], failures: [], warnings: [] };

export interface FakeHearth extends Hearth {
  /** What was done, in order: `select`, `provider`, `start ci.yml`, `cancel ci.yml`, `kill ci.yml`, `end ci.yml`. */
  readonly calls: readonly string[];
  readonly requests: readonly SelectRequest[];
  readonly runOptions: readonly RunOptions[];
  /** What `expectRuns` was told, and that it was closed. */
  readonly expectations: readonly (number | "closed" | undefined)[];
  /** Resolves when that call was made, as often as it says. */
  called(call: string, times?: number): Promise<void>;
  /** Files of the watched repository change. */
  change(...paths: string[]): void;
  failWatch(error: Error): void;
  /** Who still watches it or hears of its machines: nobody may be left. */
  watchers(): number;
}

export const at = "2026-11-22T10:00:00.000Z";

export function fakeHearth(options: FakeHearthOptions = {}): FakeHearth {
  const calls: string[] = [];
  const waiting: { readonly call: string; readonly times: number; readonly resolve: () => void }[] = [];
  const listeners = new Set<WatchListener>();
  const hearers = new Set<(line: string) => void>();
  const requests: SelectRequest[] = [];
  const runOptions: RunOptions[] = [];
  const expectations: (number | "closed" | undefined)[] = [];

  function note(call: string): void {
    calls.push(call);
    for (const waiter of waiting) if (count(waiter.call) >= waiter.times) waiter.resolve();
  }

  function count(call: string): number {
    return calls.filter((made) => made === call).length;
  }

  return {
    calls,
    requests,
    runOptions,
    called: (call, times = 1) =>
      new Promise((resolve) => {
        if (count(call) >= times) resolve();
        else waiting.push({ call, times, resolve });
      }),
    change: (...paths) => listeners.forEach(({ onChange }) => onChange(paths)),
    failWatch: (error) => listeners.forEach(({ onError }) => onError(error)),
    watchers: () => listeners.size + hearers.size,
    changesSince: async () => undefined,
    prepareMachine: () => undefined,
    held: {
      hold: () => Promise.reject(new Error("nothing is held here")),
      enter: async () => undefined,
    },
    forks: { make: () => Promise.reject(new EngineError("CHECKPOINT_UNUSABLE", "Nothing is copied here")) },
    async decideRun(run, { job, decision }) {
      note(`decide ${run} ${job ?? "-"} ${decision}`);
      return { job: job ?? "test", step: 1 };
    },
    async openMachine(wish) {
      const { id } = wish;
      if (options.restored !== undefined) return options.restored(wish);
      throw new EngineError("MACHINE_START_FAILED", `Cannot start machine ${id}`);
    },
    async enterRun(run, job) {
      note(`enter ${run}${job === undefined ? "" : ` ${job}`}`);
      if (options.inside === undefined) throw new EngineError("RUN_NOT_FOUND", `Nobody answers for run ${run}`);
      return options.inside(job);
    },
    async watch(repository, listener) {
      listeners.add(listener);
      note(`watch ${repository}`);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    concurrency: options.concurrency ?? 2,
    settings: [{ name: "state", value: "/state", unit: undefined, doc: "runs, events and logs", source: "--state" }],
    store: fakeStore(options.stored ?? [], note),
    actions: {
      lock: async () => options.managed ?? NOTHING_MANAGED,
      fetch: async () => options.managed ?? NOTHING_MANAGED,
      translate: async ({ write }) => ({ changes: options.translations ?? [], written: write, warnings: [] }),
      compare: async () => options.comparisons ?? [],
      list: async () => options.keptActions ?? [],
      verify: async () => options.verified ?? { verified: [], lacking: [] },
      async prune(before) {
        note(`prune actions before ${before.toISOString()}`);
        return options.keptActions ?? [];
      },
    },
    checkpoints: fakeCheckpoints(options.checkpoints ?? [], options.opened, note),
    caches: {
      list: async () => options.caches ?? [],
      remove: async (ids) => note(`remove caches ${ids.join(" ")}`),
    },
    artifacts: {
      async list(run) {
        note(`artifacts of ${run}`);
        return options.artifacts ?? [];
      },
      save: async ({ id }, directory) => note(`save artifact ${id} in ${directory}`),
    },
    identity: {
      publicKeys: async () => [{ kid: "k1" }],
      rotate: async () => note("rotate"),
    },
    onMachineProgress(listener) {
      hearers.add(listener);
      return () => void hearers.delete(listener);
    },
    expectations,
    expectRuns: (runs) => void expectations.push(runs),
    close: async () => void expectations.push("closed"),
    machines: {
      list: async () => options.machines ?? [],
      reap: async () => options.reaped ?? [],
      templates: {
        list: async () => options.templates ?? [],
        async prune({ all, olderThanMs }) {
          note(`prune templates${all ? ", all" : ""}${olderThanMs === undefined ? "" : `, older than ${olderThanMs}`}`);
          return options.templates?.slice(1) ?? [];
        },
      },
    },
    images: {
      async build({ definition, progress }) {
        note(`build ${definition ?? "default"}`);
        progress("building\u001b[2J");
        return anImage();
      },
      list: async () => options.images ?? [],
      async remove(name) {
        note(`remove ${name}`);
        return anImage();
      },
    },
    tools: {
      async add(wish, { progress }) {
        note(`add ${wish}`);
        progress("fetching\u001b[2J");
        return aTool(wish);
      },
      list: async () => options.tools ?? [],
      async remove(wish) {
        note(`remove ${wish}`);
        return [aTool(wish)];
      },
    },
    async select(request) {
      note("select");
      requests.push(request);
      if (requests.length === options.selectFails?.at) throw options.selectFails.error;
      return {
        repository: "/repo",
        event: anEvent({ name: request.event }),
        results: options.results ?? [],
        findings: (options.results ?? []).map((_, index) => options.findings?.[index] ?? []),
        runners: defaultRunners,
        vars: request.vars,
        secrets: {},
        warnings: [],
        environments: {},
        network: [],
      };
    },
    secrets: fakeSecrets(options.secrets ?? [], note),
    server: fakeDoor(options, note),
    async lint(path) {
      note(`lint ${path ?? "default"}`);
      return { files: 1, findings: [], diagnostics: [], ...options.lint };
    },
    async chooseProvider() {
      note("provider");
      if (options.noProvider !== undefined) throw options.noProvider;
      const isolation = options.isolation ?? "sandbox (gVisor)";
      return { provider: aProvider(isolation), isolation, why: "no KVM on this host" };
    },
    async startRun(plan, started) {
      const { path } = plan.workflow;
      note(`start ${path}`);
      runOptions.push(started);
      const script = options.runs?.[path] ?? {};
      if (script.cannotBegin !== undefined) throw script.cannotBegin;
      const run = `run${calls.filter((call) => call.startsWith("start ")).length}`;
      const ended = Promise.withResolvers<Conclusion>();
      for (const line of script.progress ?? []) hearers.forEach((hear) => hear(line));
      for (const body of script.events ?? []) started.onEvent({ at, ...body });
      if (script.untilCancelled !== true) ended.resolve(script.outcome?.conclusion ?? "success");
      return {
        run,
        outcome: ended.promise.then((conclusion) => {
          note(`end ${path}`);
          const counts = { ...noCounts, declared: plan.declaredSteps, ran: plan.declaredSteps };
          return { conclusion, error: undefined, counts, unsupportedJobs: 0, durationMs: 1_200, ...script.outcome };
        }),
        cancel() {
          note(`cancel ${path}`);
        },
        kill() {
          note(`kill ${path}`);
          ended.resolve("cancelled");
        },
      };
    },
    async setupHost(wish, { progress }) {
      progress(`setting up ${wish}`);
    },
    async setupGvisor({ binary, progress }) {
      progress("looking for runsc");
      return { binary: binary ?? "/usr/bin/runsc", version: "release-1" };
    },
    async setupFirecracker({ binary, jailer }) {
      note(`setup firecracker ${binary} ${jailer}`);
      const program = { version: "1.16.1", sha256: "ab".repeat(32) };
      return jailer === undefined ? { firecracker: program } : { firecracker: program, jailer: program };
    },
    inspectModel: async () => options.model ?? { model: "off", fit: false, reasons: ["none"], probes: [], bears: 0 },
    inspectProductionHost: async () => options.hostChecks ?? [],
    async *doctor() {
      yield* options.doctorLines ?? [];
    },
  };
}

export const noCounts: FateCounts = { declared: 0, ran: 0, skipped: 0, notReached: 0, cancelled: 0 };
const ran: Fate = { kind: "ran", outcome: "success", conclusion: "success", exitCode: 0, message: undefined };
export const failed: Fate = {
  kind: "ran",
  outcome: "failure",
  conclusion: "failure",
  exitCode: 2,
  message: "Process completed with exit code 2.",
};

/** A plan of one job `build` with a step for each way. */
export function aPlan(path: string, ways: readonly Way[] = [{ kind: "run" }]): Plan {
  const steps = ways.map((_, index) => aRunStep(index + 1));
  const job = aJob("build", { steps });
  const planned: PlannedJob = {
    job,
    cells: [{ values: {}, label: "" }],
    steps: steps.map((step, index) => ({ step, way: ways[index] ?? { kind: "run" } })),
    called: undefined,
  };
  const workflow = aWorkflow({ path, jobs: [job] });
  const { declaredSteps } = workflow;
  return { workflow, event: anEvent(), inputs: {}, jobs: [planned], declaredSteps, heldSteps: declaredSteps };
}

export function planned(path: string, ways?: readonly Way[]): PlanResult {
  const plan = aPlan(path, ways);
  return { kind: "planned", plan, warnings: unsupportedInPlan(plan, { runners: defaultRunners, vars: {} }) };
}

export function refused(path: string): PlanResult {
  const diagnostic = {
    kind: "error",
    file: path,
    at: { line: 3, column: 5 },
    key: "on",
    message: "unknown event",
  } as const;
  return { kind: "refused", path, diagnostics: [diagnostic] };
}

/** A run of one job `build`, step by step: what each printed and how it ended. */
export function aRun(
  steps: readonly { readonly name: string; readonly lines?: readonly string[]; readonly fate?: Fate }[],
  conclusion: Conclusion = "success",
): RunEventBody[] {
  const job = "build";
  return [
    {
      type: "run_started",
      run: "run1",
      workflow: { path: ".github/workflows/ci.yml", name: "CI" },
      event: { name: "push", sha: "0".repeat(40), ref: "refs/heads/main" },
      provider: "fake",
      declaredSteps: steps.length,
    },
    { type: "machine_requested", machine: "m1" },
    { type: "machine_ready", machine: "m1", isolation: "sandbox (gVisor)", bootId: "b1", durationMs: 600 },
    {
      type: "job_planned",
      job,
      id: job,
      name: "Build",
      steps: steps.map(({ name }, index) => ({ number: index + 1, name, way: "run" })),
    },
    { type: "job_started", job, machine: "m1" },
    ...steps.flatMap(({ name, lines = [], fate = ran }, index): RunEventBody[] => {
      const step = String(index + 1);
      return [
        { type: "step_started", job, step, phase: "main", name },
        ...lines.map((line): RunEventBody => {
          if (line.startsWith("▸")) return { type: "group", job, step, title: line.slice(1) };
          return line === "◂" ? { type: "group_end", job, step } : { type: "log", job, step, line };
        }),
        { type: "step_completed", job, step, phase: "main", name, fate, durationMs: 100 },
      ];
    }),
    { type: "job_completed", job, conclusion, reason: undefined, outputs: {}, durationMs: 900 },
    {
      type: "run_completed",
      conclusion,
      error: undefined,
      counts: { ...noCounts, declared: steps.length, ran: steps.length },
      durationMs: 1_200,
    },
  ];
}

function fakeSecrets(known: readonly SecretSummary[], note: (call: string) => void): Hearth["secrets"] {
  return {
    async set(kind, scope, name, value) {
      note(`set ${kind} ${name} ${JSON.stringify(scope)} ${JSON.stringify(value)}`);
    },
    async remove(kind, scope, name) {
      note(`remove ${kind} ${name} ${JSON.stringify(scope)}`);
      return known.some((one) => one.name === name);
    },
    list: async () => known,
    repositoryHere: async () => "octo/here",
  };
}

/** What they added is what they take. */
function fakeCheckpoints(
  stored: readonly StoredCheckpoint[],
  opened: FakeHearthOptions["opened"],
  note: (call: string) => void,
): Hearth["checkpoints"] {
  let kept = stored;
  return {
    list: async (run) => kept.filter((one) => run === undefined || one.run === run),
    async open({ run, job, step }) {
      const description = kept.find((one) => one.run === run && one.job === job && one.step === step);
      if (opened !== undefined && description !== undefined) {
        const dispose = async (): Promise<void> => note(`close checkpoint ${step}`);
        return { description, ...opened(step), [Symbol.asyncDispose]: dispose };
      }
      throw new EngineError("CHECKPOINT_NOT_FOUND", `Run ${run} has none`);
    },
    async remove({ run, job, step }) {
      note(`remove checkpoint ${run} ${job} ${step}`);
      kept = kept.filter((one) => one.run !== run || one.job !== job || one.step !== step);
    },
    async removeAll() {
      note("remove all checkpoints");
      kept = [];
    },
    diskBytes: async () => kept.reduce((sum, { addedBytes }) => sum + addedBytes, 0),
  };
}

function anImage(): ImageSummary {
  return {
    name: "default",
    digest: "abcdef0123456789".repeat(4),
    builtAt: new Date(at),
    sizeBytes: 700 * 1024 * 1024,
    directory: "/data/images/default-abcdef012345",
  };
}

function aTool(wish: string): ToolSummary {
  const [name = "", version = "1.2.3"] = wish.split("@");
  return {
    name,
    version,
    arch: "x64",
    sizeBytes: 200 * 1024 * 1024,
    directory: `/data/tools/cache/${name}/${version}/x64`,
  };
}

function aProvider(isolation: Isolation): Provider {
  const none = isolation.startsWith("none");
  return {
    name: none ? "host" : "gvisor",
    capabilities: { isolation: none ? "none" : "sandbox", checkpoint: false, containers: false, egress: !none },
    probe: async () => ({ ok: true, isolation, detail: "" }),
    provision: () => Promise.reject(new Error("the commands never provision")),
  };
}

/** Answers what the test says for a request, by its method and path; others are not found. */
function fakeDoor({ answers = {}, served }: FakeHearthOptions, note: (call: string) => void): Hearth["server"] {
  const kept: { name: string; role: Role; createdAt: string }[] = [];
  return {
    async serve() {
      note("serve");
      if (served === undefined) throw new EngineError("STATE_UNWRITABLE", "another one runs there");
      return { ...served, drain: async (reason, hurry) => note(`drain ${reason}${hurry.aborted ? " at once" : ""}`) };
    },
    async ask({ method, path, body }) {
      note([method, path, ...(body === undefined ? [] : [JSON.stringify(body)])].join(" "));
      const answer = answers[`${method} ${path}`];
      if (answer === undefined) return Response.json({ error: "not_found", message: "There is none" }, { status: 404 });
      return typeof answer.body === "string" ? new Response(answer.body, answer) : Response.json(answer.body, answer);
    },
    async received({ owner, name }, stdin, pusher) {
      note(`received ${owner}/${name} by ${pusher}`);
      return stdin.trim().split("\n").length;
    },
    describe: async () => "the server of this host",
    tokens: async () => ({
      list: () => kept,
      add(name, role, now) {
        kept.push({ name, role, createdAt: now.toISOString() });
        return "hearth_secret";
      },
      remove: (name) => name === "known",
      check: () => undefined,
    }),
    settings: async () => [],
    async backup(file) {
      note(`backup ${file}`);
      return { file, runs: 3, sizeBytes: 2048 };
    },
    async restore(file, force) {
      note(`restore ${file}${force ? " by force" : ""}`);
      return { file, runs: 3, sizeBytes: 2048 };
    },
  };
}

function fakeStore(
  stored: readonly (StoredRun & { readonly events: readonly RunEvent[] })[],
  note: (call: string) => void,
): RunStore {
  const find = async (prefix: string | undefined) => {
    const found = stored.find(({ run }) => run.startsWith(prefix ?? ""));
    if (found === undefined) throw new Error(`no run ${String(prefix)}`);
    return found;
  };
  return {
    create: () => Promise.reject(new Error("the commands never create runs")),
    list: async () => stored,
    find,
    async *read(run) {
      yield* (await find(run)).events;
    },
    async remove(run) {
      note(`remove ${run}`);
    },
  };
}
