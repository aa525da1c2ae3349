/**
 * From the events of one run to the spans of one trace: the run; below it its machines, from the request until each is ready, and
 * its jobs; below a job its steps, and the jobs that it calls. Times are the events' own. What jobs print, summaries, annotations and
 * outputs are not looked at; names and reasons are masked in the events already and are cut here.
 * Names of attributes: https://opentelemetry.io/docs/specs/semconv/cicd/cicd-spans/ where it has one, else `hearth.*`.
 */
import type { Conclusion, Fate, JobKey, RunEvent } from "../store/run-event.ts";
import type { Span, SpanAttributes } from "./span.ts";

/** What events do not say. */
export interface TracedRun {
  /** `owner/name`. */
  readonly repository: string;
  /** GUID of the delivery that caused it; undefined where none did. */
  readonly delivery: string | undefined;
}

export interface SpanIds {
  /** 32 hexadecimal digits. */
  readonly trace: string;
  /** 16 hexadecimal digits, new each time. */
  readonly next: () => string;
}

/** Of one kind of event, or of all. */
type Said<T extends RunEvent["type"]> = Extract<RunEvent, { readonly type: T }>;

interface OpenSpan {
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  /** Undefined: it has not started. */
  startMs: number | undefined;
  attributes: SpanAttributes;
}

const MAX_NAME_CHARS = 128;
const MAX_TEXT_CHARS = 512;

/** Is given every event of one run in order, and returns the spans that end with it. */
export function createRunSpans(of: TracedRun, ids: SpanIds): (event: RunEvent) => readonly Span[] {
  const root = ids.next();
  const jobs = new Map<JobKey, OpenSpan>();
  const steps = new Map<string, OpenSpan>();
  const machines = new Map<string, OpenSpan>();
  let run: OpenSpan | undefined;

  return (event) => {
    const atMs = Date.parse(event.at);
    switch (event.type) {
      case "run_started":
        run = {
          spanId: root,
          parentSpanId: undefined,
          name: `RUN ${event.workflow.name}`,
          startMs: atMs,
          attributes: ofRun(event, of),
        };
        return [];
      case "machine_requested":
        machines.set(event.machine, open("machine", root, atMs, { "hearth.machine": event.machine }));
        return [];
      case "machine_waiting":
        add(machines.get(event.machine), { "hearth.machine.lack": event.lack });
        return [];
      case "machine_ready":
        add(run, { "hearth.isolation": event.isolation });
        return end(machines, event.machine, atMs, {
          "hearth.isolation": event.isolation,
          "hearth.machine.warm": event.warm ?? false,
        });
      case "machine_lost":
        return lost(event, atMs);
      case "machine_destroyed":
        return end(machines, event.machine, atMs, {});
      case "job_planned":
        jobs.set(event.job, open(event.name, spanOf(event.caller), undefined, ofJob(event)));
        return [];
      case "job_started":
        add(jobs.get(event.job), { "hearth.machine": event.machine }, atMs);
        return [];
      case "job_completed":
        return jobEnded(event, atMs);
      case "step_started":
        steps.set(stepKey(event), open(event.name, spanOf(event.job), atMs, {}));
        return [];
      case "step_completed":
        return stepEnded(event, atMs);
      case "run_completed":
        return runEnded(event, atMs);
      default:
        return [];
    }
  };

  function open(name: string, parentSpanId: string, startMs: number | undefined, attributes: SpanAttributes): OpenSpan {
    return { spanId: ids.next(), parentSpanId, name, startMs, attributes };
  }

  function spanOf(job: JobKey | undefined): string {
    return (job === undefined ? undefined : jobs.get(job)?.spanId) ?? root;
  }

  function end(
    spans: Map<string, OpenSpan>,
    key: string,
    atMs: number,
    attributes: SpanAttributes,
    error?: string,
  ): readonly Span[] {
    const found = spans.get(key);
    if (found === undefined) return [];
    spans.delete(key);
    return [close(found, atMs, attributes, error)];
  }

  function close(span: OpenSpan, atMs: number, attributes: SpanAttributes, error: string | undefined): Span {
    const { spanId, parentSpanId, name, startMs = atMs } = span;
    return {
      traceId: ids.trace,
      spanId,
      parentSpanId,
      name: cut(name, MAX_NAME_CHARS),
      startMs,
      // A wall clock may have been set back.
      endMs: Math.max(startMs, atMs),
      attributes: cutAll({ ...span.attributes, ...attributes }),
      error: error === undefined ? undefined : cut(error, MAX_TEXT_CHARS),
    };
  }

  /** A machine that was ready already gets a span of its own, without length, so that the loss is seen before the run has ended. */
  function lost({ machine, cause, reason }: Said<"machine_lost">, atMs: number): readonly Span[] {
    const attributes = { "error.type": cause, "hearth.machine": machine };
    const known = machines.get(machine);
    if (known !== undefined) return end(machines, machine, atMs, attributes, reason);
    return [close(open("machine lost", root, atMs, {}), atMs, attributes, reason)];
  }

  /** A job that was never on a machine itself, as one that calls a workflow, says only how long it took. */
  function jobEnded(event: Said<"job_completed">, atMs: number): readonly Span[] {
    const { job, conclusion, reason, environment, durationMs } = event;
    const span = jobs.get(job);
    if (span !== undefined) span.startMs ??= atMs - durationMs;
    const attributes = {
      ...resultOf(conclusion),
      "hearth.reason": reason,
      "hearth.environment": environment?.name,
      "hearth.unsupported": event.unsupported,
    };
    return end(jobs, job, atMs, attributes, conclusion === "failure" ? (reason ?? "failure") : undefined);
  }

  /** One whose turn never came, or whose condition said no, has no length. */
  function stepEnded(event: Said<"step_completed">, atMs: number): readonly Span[] {
    const key = stepKey(event);
    if (!steps.has(key)) steps.set(key, open(event.name, spanOf(event.job), atMs, {}));
    const { job, step, phase, fate } = event;
    const attributes = { "hearth.job": job, "hearth.step": step, "hearth.phase": phase, ...ofFate(fate) };
    const failed = fate.kind === "ran" && fate.conclusion === "failure";
    return end(steps, key, atMs, attributes, failed ? (fate.message ?? exitText(fate.exitCode)) : undefined);
  }

  /** What never said its own end ends with the run. */
  function runEnded({ conclusion, error, counts }: Said<"run_completed">, atMs: number): readonly Span[] {
    const left = [steps, jobs, machines].flatMap((spans) =>
      [...spans.keys()].flatMap((key) => end(spans, key, atMs, {})),
    );
    if (run === undefined) return left;
    const attributes = {
      "cicd.pipeline.result": error === undefined ? RESULTS[conclusion] : "error",
      "hearth.conclusion": conclusion,
      "error.type": error?.code ?? (conclusion === "failure" ? "failure" : undefined),
      "hearth.steps.declared": counts.declared,
      "hearth.steps.ran": counts.ran,
    };
    return [
      ...left,
      close(run, atMs, attributes, error?.message ?? (conclusion === "failure" ? "failure" : undefined)),
    ];
  }
}

function add(span: OpenSpan | undefined, attributes: SpanAttributes, startMs?: number): void {
  if (span === undefined) return;
  span.attributes = { ...span.attributes, ...attributes };
  span.startMs ??= startMs;
}

/** Semantic conventions' words for ours. */
const RESULTS: { readonly [conclusion in Conclusion]: string } = {
  success: "success",
  failure: "failure",
  cancelled: "cancellation",
  skipped: "skip",
};

function ofRun(event: Said<"run_started">, { repository, delivery }: TracedRun): SpanAttributes {
  return {
    "cicd.pipeline.name": event.workflow.name,
    "cicd.pipeline.run.id": event.run,
    "vcs.ref.head.name": event.event.ref,
    "vcs.ref.head.revision": event.event.sha,
    "hearth.workflow": event.workflow.path,
    "hearth.repository": repository,
    "hearth.event": event.event.name,
    "hearth.provider": event.provider,
    "hearth.attempt": event.attempt ?? 1,
    "hearth.delivery": delivery,
  };
}

function ofJob({ job, name, calls }: Said<"job_planned">): SpanAttributes {
  return { "cicd.pipeline.task.name": name, "cicd.pipeline.task.run.id": job, "hearth.calls": calls };
}

function resultOf(conclusion: Conclusion): SpanAttributes {
  return {
    "cicd.pipeline.task.run.result": RESULTS[conclusion],
    "hearth.conclusion": conclusion,
    "error.type": conclusion === "failure" ? "failure" : undefined,
  };
}

function ofFate(fate: Fate): SpanAttributes {
  if (fate.kind !== "ran") return { "hearth.fate": fate.kind, "hearth.reason": fate.reason };
  return {
    ...resultOf(fate.conclusion),
    "hearth.fate": fate.kind,
    "hearth.outcome": fate.outcome,
    "process.exit.code": fate.exitCode,
    ...(fate.trouble === undefined ? {} : { "error.type": fate.trouble }),
  };
}

function exitText(exitCode: number | undefined): string {
  return exitCode === undefined ? "failure" : `exit code ${exitCode}`;
}

function stepKey({ job, step }: { readonly job: JobKey; readonly step: string }): string {
  return JSON.stringify([job, step]);
}

function cutAll(attributes: SpanAttributes): SpanAttributes {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [
      name,
      typeof value === "string" ? cut(value, MAX_TEXT_CHARS) : value,
    ]),
  );
}

/** Half a character would make JSON that no protobuf reader takes. */
function cut(text: string, maxChars: number): string {
  return (text.length > maxChars ? `${text.slice(0, maxChars - 1)}…` : text).toWellFormed();
}
