/**
 * What a run came to, folded from its events: the one way in which the terminal, `hearth logs`, `hearth runs` and `--json`
 * summaries learn about it. Pure. Any prefix of a stream folds, because a run may be watched, torn or lost: jobs and steps
 * that no event announced are made when something is first said about them. Log lines are counted, not kept.
 */
import type { Isolation, ProviderName } from "../provider/provider.ts";
import type {
  AnnotationFields,
  Conclusion,
  Fate,
  FateCounts,
  JobKey,
  ModelFigures,
  RunEvent,
  StepPhase,
  StepRef,
} from "./run-event.ts";

export interface RunRecord {
  readonly run: string | undefined;
  readonly workflow: { readonly path: string; readonly name: string } | undefined;
  readonly event: { readonly name: string; readonly sha: string; readonly ref: string } | undefined;
  /** `run-name:` evaluated. */
  readonly title: string | undefined;
  /** From 1; 2 and more goes on from an earlier run. */
  readonly attempt: number;
  /** The first attempt, where this is a later one. */
  readonly firstRun: string | undefined;
  /** Declared steps that it can be gone back to: moments that were kept when they were taken. */
  readonly checkpoints: readonly { readonly job: JobKey; readonly before: number }[];
  /** The checkpoint that it goes on from: what was before it ran in that run. */
  readonly from: { readonly run: string; readonly job: JobKey; readonly step: number } | undefined;
  readonly provider: ProviderName | undefined;
  /** What its plan, and what was planned before it in the same process, asked of a model. */
  readonly model: ModelFigures | undefined;
  /** The `concurrency` group that the run waits for now. */
  readonly waitingFor: string | undefined;
  /** ISO 8601, of the first event. */
  readonly startedAt: string | undefined;
  /** In the order in which they were asked for. */
  readonly machines: readonly MachineRecord[];
  /** In the order in which they were planned. */
  readonly jobs: readonly JobRecord[];
  readonly annotations: readonly (StepRef & { readonly annotation: AnnotationFields })[];
  readonly summaries: readonly (StepRef & { readonly markdown: string })[];
  /** The run's own at its end; until then counted from the steps. */
  readonly counts: FateCounts;
  readonly ending: Ending | undefined;
}

interface Ending {
  readonly conclusion: Conclusion;
  readonly error: { readonly code: string; readonly message: string } | undefined;
  readonly durationMs: number;
}

interface MachineRecord {
  readonly machine: string;
  readonly isolation: Isolation | undefined;
  readonly bootId: string | undefined;
  readonly status: "requested" | "ready" | "lost" | "destroyed";
  /** What this host lacks for it; undefined where it does not wait. */
  readonly waitsFor: string | undefined;
  /** Why it was lost; stays when it is destroyed afterwards. */
  readonly loss: string | undefined;
}

export interface JobRecord {
  readonly job: JobKey;
  /** The job's id in the file. */
  readonly id: string;
  /** The job that called the workflow this one is of. */
  readonly caller: JobKey | undefined;
  /** `uses` of a job that calls a workflow, which has no steps of its own. */
  readonly calls: string | undefined;
  readonly name: string;
  readonly state:
    | { readonly status: "queued" }
    /** For others of its `concurrency` group. */
    | { readonly status: "waiting"; readonly group: string }
    | { readonly status: "in_progress"; readonly startedAt: string }
    | {
        readonly status: "completed";
        readonly conclusion: Conclusion;
        readonly reason: string | undefined;
        readonly durationMs: number;
      };
  readonly environment: { readonly name: string; readonly url?: string } | undefined;
  readonly outputs: { readonly [name: string]: string };
  /** As they run: the runner's own before the declared, the declared in their order, the runner's own after them. */
  readonly steps: readonly StepRecord[];
}

export interface StepRecord {
  readonly step: string;
  readonly phase: StepPhase;
  readonly name: string;
  /** How it runs, as planned; undefined for the runner's own steps. */
  readonly way: string | undefined;
  /** As its author gave it. */
  readonly id: string | undefined;
  readonly state:
    | { readonly status: "queued" }
    | { readonly status: "in_progress"; readonly startedAt: string }
    | { readonly status: "completed"; readonly fate: Fate; readonly durationMs: number };
  readonly logLines: number;
}

export function foldRecord(events: Iterable<RunEvent>): RunRecord {
  const record = emptyRecord();
  for (const event of events) applyEvent(record, event);
  return record;
}

/** For readers that watch: a record they own and advance with `applyEvent`. */
export type GrowingRecord = Mutable<
  Omit<RunRecord, "machines" | "jobs" | "annotations" | "summaries" | "checkpoints">
> & {
  checkpoints: { job: JobKey; before: number }[];
  machines: Mutable<MachineRecord>[];
  jobs: GrowingJob[];
  annotations: (StepRef & { annotation: AnnotationFields })[];
  summaries: (StepRef & { markdown: string })[];
};
type GrowingJob = Mutable<Omit<JobRecord, "steps">> & { steps: Mutable<StepRecord>[] };
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function emptyRecord(): GrowingRecord {
  return {
    run: undefined,
    workflow: undefined,
    event: undefined,
    title: undefined,
    attempt: 1,
    firstRun: undefined,
    from: undefined,
    checkpoints: [],
    provider: undefined,
    model: undefined,
    waitingFor: undefined,
    startedAt: undefined,
    machines: [],
    jobs: [],
    annotations: [],
    summaries: [],
    counts: { declared: 0, ran: 0, skipped: 0, notReached: 0, cancelled: 0 },
    ending: undefined,
  };
}

/** Changes `record` in place. An event of a kind that this version does not know changes nothing. */
export function applyEvent(record: GrowingRecord, event: RunEvent): void {
  record.startedAt ??= event.at;
  switch (event.type) {
    case "run_started":
      record.run = event.run;
      record.workflow = event.workflow;
      record.event = event.event;
      record.title = event.title;
      record.attempt = event.attempt ?? 1;
      record.firstRun = event.firstRun;
      record.from = event.from;
      record.provider = event.provider;
      record.model = event.model;
      record.counts = { ...record.counts, declared: event.declaredSteps };
      return;
    case "checkpoint":
      record.checkpoints.push({ job: event.job, before: event.before });
      return;
    case "waiting":
      if (event.job === undefined) record.waitingFor = event.group;
      else jobOf(record, event.job).state = { status: "waiting", group: event.group };
      return;
    case "machine_requested":
      record.waitingFor = undefined;
      return applyMachineEvent(record, event);
    case "machine_waiting":
    case "machine_ready":
    case "machine_lost":
    case "machine_destroyed":
      return applyMachineEvent(record, event);
    case "job_planned": {
      const job = jobOf(record, event.job);
      job.id = event.id;
      job.caller = event.caller;
      job.calls = event.calls;
      job.name = event.name;
      for (const { number, name, way, id } of event.steps) {
        Object.assign(stepOf(record, { job: event.job, step: String(number) }, "main"), { name, way, id });
      }
      return;
    }
    case "job_started":
      record.waitingFor = undefined;
      startJob(record, event.job, event.at);
      return;
    case "step_started": {
      const step = stepOf(record, event, event.phase);
      step.name = event.name;
      step.state = { status: "in_progress", startedAt: event.at };
      return;
    }
    case "log":
      stepOf(record, event, undefined).logLines += 1;
      return;
    case "group":
    case "group_end":
    case "egress":
      return;
    case "annotation":
      record.annotations.push({ job: event.job, step: event.step, annotation: event.annotation });
      return;
    case "step_summary":
      record.summaries.push({ job: event.job, step: event.step, markdown: event.markdown });
      return;
    case "step_completed": {
      const step = stepOf(record, event, event.phase);
      step.name = event.name;
      // Said once for each step; a second time would be counted twice.
      if (step.state.status !== "completed" && event.phase === "main") countFate(record, event.fate);
      step.state = { status: "completed", fate: event.fate, durationMs: event.durationMs };
      return;
    }
    case "job_completed": {
      const job = jobOf(record, event.job);
      job.state = {
        status: "completed",
        conclusion: event.conclusion,
        reason: event.reason,
        durationMs: event.durationMs,
      };
      job.environment = event.environment;
      job.outputs = event.outputs;
      return;
    }
    case "run_completed":
      record.waitingFor = undefined;
      record.counts = event.counts;
      record.ending = { conclusion: event.conclusion, error: event.error, durationMs: event.durationMs };
      return;
  }
}

function applyMachineEvent(
  record: GrowingRecord,
  event: Extract<RunEvent, { readonly machine: string; readonly type: `machine_${string}` }>,
): void {
  let machine = record.machines.find((known) => known.machine === event.machine);
  if (machine === undefined) {
    machine = {
      machine: event.machine,
      isolation: undefined,
      bootId: undefined,
      status: "requested",
      waitsFor: undefined,
      loss: undefined,
    };
    record.machines.push(machine);
  }
  switch (event.type) {
    case "machine_requested":
      return;
    case "machine_waiting":
      machine.waitsFor = event.lack;
      return;
    case "machine_ready":
      machine.waitsFor = undefined;
      Object.assign(machine, { status: "ready", isolation: event.isolation, bootId: event.bootId });
      return;
    case "machine_lost":
      Object.assign(machine, { status: "lost", loss: event.reason });
      return;
    case "machine_destroyed":
      machine.status = "destroyed";
      return;
  }
}

/** A job that calls a workflow has no machine and no start of its own: it goes on when the first of the called jobs does. */
function startJob(record: GrowingRecord, key: JobKey, startedAt: string): void {
  const job = jobOf(record, key);
  job.state = { status: "in_progress", startedAt };
  const caller = record.jobs.find((known) => known.job === job.caller);
  if (caller !== undefined && caller.state.status === "queued") startJob(record, caller.job, startedAt);
}

function jobOf(record: GrowingRecord, key: JobKey): GrowingJob {
  const known = record.jobs.find(({ job }) => job === key);
  if (known !== undefined) return known;
  const job: GrowingJob = {
    job: key,
    id: key,
    caller: undefined,
    calls: undefined,
    name: key,
    state: { status: "queued" },
    environment: undefined,
    outputs: {},
    steps: [],
  };
  record.jobs.push(job);
  return job;
}

/** Without a phase (a log line says none) a step not heard of before is taken for a declared one if it has a number. */
function stepOf(record: GrowingRecord, ref: StepRef, phase: StepPhase | undefined): Mutable<StepRecord> {
  const { steps } = jobOf(record, ref.job);
  const known = steps.find(({ step }) => step === ref.step);
  if (known !== undefined) return known;
  const step: Mutable<StepRecord> = {
    step: ref.step,
    phase: phase ?? (/^\d+$/.test(ref.step) ? "main" : "set_up"),
    name: ref.step,
    way: undefined,
    id: undefined,
    state: { status: "queued" },
    logLines: 0,
  };
  if (step.phase === "set_up" || step.phase === "pre") steps.splice(firstMain(steps), 0, step);
  else steps.push(step);
  return step;
}

function firstMain(steps: readonly StepRecord[]): number {
  const index = steps.findIndex(({ phase }) => phase === "main");
  return index === -1 ? steps.length : index;
}

function countFate(record: GrowingRecord, { kind }: Fate): void {
  const { counts } = record;
  switch (kind) {
    case "ran":
      record.counts = { ...counts, ran: counts.ran + 1 };
      return;
    case "skipped":
      record.counts = { ...counts, skipped: counts.skipped + 1 };
      return;
    case "not_reached":
      record.counts = { ...counts, notReached: counts.notReached + 1 };
      return;
    case "cancelled":
      record.counts = { ...counts, cancelled: counts.cancelled + 1 };
      return;
  }
}
