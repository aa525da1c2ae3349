/** The record of a run in the short form of `examples/*\/expected.json`, folded from what `hearth run --json` prints. */
import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { leftovers } from "./leftovers.ts";
import { ROOT, copyExample, sandbox } from "./run-hearth.ts";
import type { HearthEnd } from "./run-hearth.ts";
import type { Fate, RunEvent } from "../src/store/run-event.ts";

export interface ExampleRecord {
  readonly [workflow: string]: {
    readonly conclusion: string;
    readonly jobs: {
      readonly [job: string]: { conclusion: string; steps: string[]; outputs?: Record<string, string> };
    };
    readonly annotations?: readonly string[];
    readonly summaries?: number;
  };
}

export const EXAMPLES = readdirSync(join(ROOT, "examples"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

/** What the command line needs beside the directory. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  dispatch: ["--event", "workflow_dispatch", "--input", "version=2.0.0", "--input", "channel=beta"],
};

export function expectedRecord(example: string): ExampleRecord {
  const record: ExampleRecord = JSON.parse(readFileSync(join(ROOT, "examples", example, "expected.json"), "utf8"));
  return record;
}

export interface ExampleRun {
  readonly record: ExampleRecord;
  readonly events: readonly (RunEvent & { readonly run: string })[];
  readonly end: HearthEnd;
  /** What the run left behind. */
  readonly left: readonly string[];
}

export async function runExample(example: string, provider: string): Promise<ExampleRun> {
  await using place = await sandbox();
  const project = await copyExample(example, place.directory);
  const end = await place.run(["run", "--provider", provider, "--json", ...(ARGUMENTS[example] ?? [])], {
    cwd: project,
  });
  const events = parseEvents(end.stdout);
  return { record: recordOf(events), events, end, left: await leftovers(place) };
}

/** Lines of `--json` that are events; the summaries at the end have no time. */
export function parseEvents(stdout: string): (RunEvent & { run: string })[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line): RunEvent & { run: string } => JSON.parse(line))
    .filter((event) => "at" in event);
}

export function recordOf(events: readonly (RunEvent & { readonly run: string })[]): ExampleRecord {
  const record: Record<string, ExampleRecord[string]> = {};
  for (const run of new Set(events.map((event) => event.run))) {
    const own = events.filter((event) => event.run === run);
    const started = own.find((event) => event.type === "run_started");
    const completed = own.find((event) => event.type === "run_completed");
    if (started === undefined || completed === undefined) throw new Error(`run ${run} has no beginning or no end`);
    const jobs: Record<string, { conclusion: string; steps: string[]; outputs?: Record<string, string> }> = {};
    const annotations: string[] = [];
    let summaries = 0;
    for (const event of own) {
      if (event.type === "job_planned") jobs[event.job] = { conclusion: "none", steps: event.steps.map(() => "none") };
      if (event.type === "step_completed" && event.phase === "main") {
        const job = jobs[event.job];
        if (job !== undefined) job.steps[Number(event.step) - 1] = fateText(event.fate);
      }
      if (event.type === "job_completed") {
        const job = jobs[event.job];
        if (job !== undefined) job.conclusion = event.conclusion;
        if (job !== undefined && Object.keys(event.outputs).length > 0) job.outputs = event.outputs;
      }
      if (event.type === "annotation") {
        const { level, message, file, line } = event.annotation;
        annotations.push(`${level}: ${file === undefined ? "" : `${file}:${line} `}${message}`);
      }
      if (event.type === "step_summary") summaries += 1;
    }
    record[basename(started.workflow.path)] = {
      conclusion: completed.conclusion,
      jobs,
      ...(annotations.length > 0 ? { annotations } : {}),
      ...(summaries > 0 ? { summaries } : {}),
    };
  }
  return record;
}

function fateText(fate: Fate): string {
  if (fate.kind !== "ran") return fate.kind;
  return fate.outcome === fate.conclusion ? fate.outcome : `${fate.outcome}/${fate.conclusion}`;
}
