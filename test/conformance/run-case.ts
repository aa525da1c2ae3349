/** A conformance case through the engine, what was seen of it in the words of its `expect`, and the differences between the two. */
import { isDeepStrictEqual } from "node:util";
import { hostProvider } from "../../src/provider/host/provider.ts";
import type { Provider } from "../../src/provider/provider.ts";
import type { Diagnostic } from "../../src/lib/diagnostic.ts";
import { defaultRunners } from "../../src/plan/runner-map.ts";
import { unsupportedInPlan } from "../../src/plan/unsupported.ts";
import type { AnnotationFields, RunEventBody } from "../../src/store/run-event.ts";
import { planText, runPlan, withRepository } from "../run-yaml.ts";
import type { YamlPlanOptions, YamlRun, YamlRunOptions } from "../run-yaml.ts";
import { workflowOf } from "./case.ts";
import type { ConformanceCase, Expectation, ExpectedAnnotation, ExpectedDiagnostic } from "./case.ts";

/** Everything an `expect` can speak of. */
export interface Seen {
  readonly refused: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
  readonly notTriggered: string | undefined;
  readonly triggered: boolean;
  readonly conclusion: string | undefined;
  /** A fault of the run itself; never expected. */
  readonly error: string | undefined;
  readonly jobs: Texts;
  readonly steps: Texts;
  readonly names: Texts;
  readonly outputs: Readonly<Record<string, Texts>>;
  readonly environments: Readonly<Record<string, { readonly name: string; readonly url?: string }>>;
  readonly title: string | undefined;
  readonly lines: readonly string[];
  readonly annotations: readonly AnnotationFields[];
  readonly summaries: readonly string[];
}

type Texts = Readonly<Record<string, string>>;

/** What steps inherit on the host: nothing of whoever runs the tests but where programs are. */
const HOST_ENVIRONMENT = { PATH: process.env["PATH"], HOME: process.env["HOME"], LANG: "C.UTF-8" };

export async function runCase(given: ConformanceCase, provider?: Provider): Promise<Seen> {
  const text = workflowOf(given);
  // Making a commit of the files costs more than most runs.
  const checkedOut = text.includes("actions/checkout@") ? given.files : undefined;
  return withRepository(checkedOut, async (repository) => {
    const planned = planText(text, planOptions(given, repository?.sha));
    if (planned.kind === "refused") {
      const errors = planned.diagnostics.filter(({ kind }) => kind !== "warning");
      return { ...NOTHING, refused: errors, warnings: planned.diagnostics };
    }
    const { warnings } = planned;
    if (planned.kind === "not_triggered") return { ...NOTHING, warnings, notTriggered: planned.reason };
    // What GitHub finds when a step is reached, Hearth often says before anything starts: a case says which of the two it looks at.
    const unsupported =
      given.expect.refused === undefined
        ? []
        : unsupportedInPlan(planned.plan, { runners: defaultRunners, vars: given.vars ?? {} });
    const errors = unsupported.filter(({ kind }) => kind !== "warning");
    if (errors.length > 0) return { ...NOTHING, refused: errors, warnings };
    const triggered = { ...NOTHING, warnings, triggered: true };
    if (onlyPlans(given.expect)) return triggered;
    const run = await runPlan(planned.plan, runOptions(given, provider), repository?.gitDir);
    return { ...triggered, ...seenOf(run) };
  });
}

const NOTHING: Seen = {
  refused: [],
  warnings: [],
  notTriggered: undefined,
  triggered: false,
  conclusion: undefined,
  error: undefined,
  jobs: {},
  steps: {},
  names: {},
  outputs: {},
  environments: {},
  title: undefined,
  lines: [],
  annotations: [],
  summaries: [],
};

function onlyPlans(expect: Expectation): boolean {
  return Object.keys(expect).every((key) => key === "triggered" || key === "warnings" || key === "notTriggered");
}

function planOptions(
  { files, actions, event, inputs, vars }: ConformanceCase,
  sha: string | undefined,
): YamlPlanOptions {
  return {
    ...(files && { files }),
    ...(actions && { actions }),
    ...(sha !== undefined && { sha }),
    ...(inputs && { inputs }),
    ...(vars && { vars }),
    ...(event && {
      event: {
        name: event.name,
        // A YAML value is a value of the expression language.
        ...(event.payload && { payload: JSON.parse(JSON.stringify(event.payload)) }),
        ...(event.ref !== undefined && { ref: event.ref }),
        ...(event.message !== undefined && { headCommitMessage: event.message }),
        ...(event.changed && { changedFiles: event.changed }),
      },
    }),
  };
}

function runOptions(given: ConformanceCase, provider = hostProvider({ env: HOST_ENVIRONMENT })): YamlRunOptions {
  const { files, actions, secrets, vars, environments, debug, machinePer, cancel } = given;
  return {
    provider,
    ...(files && { files }),
    ...(actions && { actions }),
    ...(secrets && { secrets }),
    ...(vars && { vars }),
    ...(debug !== undefined && { debug }),
    ...(machinePer && { machinePer }),
    environments: Object.fromEntries(
      Object.entries(environments ?? {}).map(([name, { secrets = {}, vars = {} }]) => [name, { secrets, vars }]),
    ),
    onEvent: (event, abort) => {
      if (cancel !== undefined && isMoment(event, cancel)) abort.cancel();
    },
  };
}

function isMoment(event: RunEventBody, cancel: NonNullable<ConformanceCase["cancel"]>): boolean {
  return "step" in cancel
    ? event.type === "step_started" && `${event.job}/${event.step}` === cancel.step
    : event.type === "log" && event.line === cancel.line;
}

function seenOf({ outcome, events, fates, conclusions, outputs }: YamlRun): Partial<Seen> {
  const names: Record<string, string> = {};
  const environments: Record<string, { name: string; url?: string }> = {};
  const annotations: AnnotationFields[] = [];
  const summaries: string[] = [];
  let title: string | undefined;
  for (const event of events) {
    if (event.type === "run_started") title = event.title;
    if (event.type === "job_planned") names[event.job] = event.name;
    if (event.type === "job_completed" && event.environment) environments[event.job] = event.environment;
    if (event.type === "annotation") annotations.push(event.annotation);
    if (event.type === "step_summary") summaries.push(event.markdown);
  }
  const { conclusion, error } = outcome;
  const seen = { names, environments, annotations, summaries, title, lines: linesOf(events) };
  return { conclusion, error: error?.message, jobs: conclusions, steps: fates, outputs, ...seen };
}

const RUNNERS_LINES = /^(?:##\[error\]Process completed with exit code \d+\.|Post job cleanup\.)$/;

/** Without what the runner says of itself: set-up and end, the preambles, waits, a checkout's report, exit codes. */
function linesOf(events: readonly RunEventBody[]): readonly string[] {
  const lines: string[] = [];
  const folded = new Set<string>();
  const silent = new Set<string>();
  for (const event of events) {
    if (event.type === "job_planned") {
      for (const { number, way } of event.steps) if (way === "control") silent.add(`${event.job}/${number}`);
    }
    if (!("step" in event)) continue;
    const at = `${event.job}/${event.step}`;
    if (event.type === "step_started" && isRunners(event)) silent.add(at);
    if (silent.has(at)) continue;
    if (event.type === "group" && event.title.startsWith("Run ")) folded.add(at);
    else if (folded.has(at) && event.type === "group_end") folded.delete(at);
    else if (folded.has(at)) continue;
    else if (event.type === "group") lines.push(`##[group]${event.title}`);
    else if (event.type === "group_end") lines.push("##[endgroup]");
    else if (event.type === "log" && !RUNNERS_LINES.test(event.line)) {
      lines.push(event.line);
    }
  }
  return lines;
}

function isRunners(event: Extract<RunEventBody, { type: "step_started" }>): boolean {
  return event.phase === "set_up" || event.phase === "complete" || /actions\/checkout@/.test(event.name);
}

/** One sentence for each thing that is not as expected. */
export function differences(expect: Expectation, seen: Seen): readonly string[] {
  const found: string[] = [];
  const differ = (what: string, wanted: unknown, got: unknown): void => {
    found.push(`${what}: expected ${JSON.stringify(wanted)}, saw ${JSON.stringify(got)}`);
  };
  const whole = (what: "conclusion" | "triggered" | "title" | "jobs" | "lines" | "summaries"): void => {
    if (expect[what] !== undefined && !isDeepStrictEqual(expect[what], seen[what]))
      differ(what, expect[what], seen[what]);
  };
  const named = (what: "steps" | "names" | "outputs" | "environments"): void => {
    for (const [key, wanted] of Object.entries(expect[what] ?? {})) {
      const got = seen[what][key];
      if (!isEqual(wanted === "none" ? undefined : wanted, got)) differ(`${what}.${key}`, wanted, got);
    }
  };
  whole("conclusion");
  whole("triggered");
  whole("title");
  whole("jobs");
  whole("lines");
  whole("summaries");
  named("steps");
  named("names");
  named("outputs");
  named("environments");
  if (expect.annotations !== undefined && !sameAnnotations(expect.annotations, seen.annotations)) {
    differ("annotations", expect.annotations, seen.annotations);
  }
  for (const what of ["refused", "warnings"] as const) {
    for (const wanted of expect[what] ?? []) {
      if (!seen[what].some((diagnostic) => says(diagnostic, wanted))) differ(what, wanted, seen[what]);
    }
  }
  if (expect.notTriggered !== undefined && seen.notTriggered?.includes(expect.notTriggered) !== true) {
    differ("notTriggered", expect.notTriggered, seen.notTriggered ?? "a run");
  }
  if (expect.refused === undefined && seen.refused.length > 0) differ("refused", [], seen.refused);
  if (seen.error !== undefined) differ("error", undefined, seen.error);
  return found;
}

/** As data: an object of whatever prototype is its members. */
function isEqual(wanted: unknown, got: unknown): boolean {
  return got === undefined || wanted === undefined
    ? wanted === got
    : isDeepStrictEqual(wanted, JSON.parse(JSON.stringify(got)));
}

function says({ at, key, message }: Diagnostic, wanted: ExpectedDiagnostic): boolean {
  return (
    (wanted.line === undefined || at?.line === wanted.line) &&
    (wanted.key === undefined || key === wanted.key) &&
    (wanted.message === undefined || message.includes(wanted.message))
  );
}

function sameAnnotations(wanted: readonly (string | ExpectedAnnotation)[], seen: readonly AnnotationFields[]): boolean {
  return wanted.length === seen.length && wanted.every((one, index) => sameAnnotation(one, seen[index]));
}

function sameAnnotation(wanted: string | ExpectedAnnotation, seen: AnnotationFields | undefined): boolean {
  if (seen === undefined) return false;
  if (typeof wanted === "string") return wanted === `${seen.level}: ${seen.message}`;
  const { has, ...fields } = wanted;
  if (has !== undefined && !seen.message.includes(has)) return false;
  const { message, ...others } = seen;
  const known = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined));
  return isDeepStrictEqual(fields, fields.message === undefined ? known : { ...known, message });
}
