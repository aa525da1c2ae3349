/** `hearth runs`: the runs that are kept, newest first. A run whose process is gone without a word is `lost`, never running. */
import type { StoredRun } from "../store/run-store.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";
import { formatDuration } from "./duration.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { writeTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { workflowLabel } from "./workflow-label.ts";

export interface RunsCommandOptions {
  readonly json?: boolean;
  readonly limit?: number;
  /** A path as in `Workflow.path`, or the end of one: `ci.yml`. */
  readonly workflow?: string;
}

export interface PruneCommandOptions {
  readonly keep?: number;
  readonly olderThan?: number;
}

export async function runs(
  { store }: Hearth,
  { out, err }: Terminal,
  { json, limit, workflow }: RunsCommandOptions,
): Promise<ExitCode> {
  const kept = await store.list();
  const wanted = kept.filter((run) => workflow === undefined || isOf(run, workflow)).slice(0, limit);
  if (json === true) out.write(`${JSON.stringify(wanted.map(runDocument), undefined, 2)}\n`);
  else if (kept.length === 0) err.write("No runs yet: `hearth run` makes one.\n");
  else if (wanted.length === 0) err.write(`No run of ${plainText(workflow ?? "")} is kept.\n`);
  else {
    const heading = ["RUN", "WORKFLOW", "NUMBER", "EVENT", "STATUS", "STEPS", "TOOK", "STARTED", "REPOSITORY"];
    const titled = wanted.some(({ title }) => title !== undefined);
    const rows = wanted.map((run) => [...row(run), ...(titled ? [plainText(run.title ?? "")] : [])]);
    writeTable(out, [...heading, ...(titled ? ["TITLE"] : [])], rows);
  }
  return exitCode.success;
}

/** Keeps the newest, or what is newer; by default the newest 100. A run that is going on is never removed. */
export async function pruneRuns(
  { store }: Hearth,
  terminal: Terminal,
  { keep, olderThan }: PruneCommandOptions,
): Promise<ExitCode> {
  const all = await store.list();
  const newest = keep ?? (olderThan === undefined ? DEFAULT_KEEP : 0);
  const old = all
    .slice(newest)
    .filter(({ startedAt }) => olderThan === undefined || terminal.now() - Date.parse(startedAt) > olderThan)
    .filter(({ state }) => state.status !== "in_progress");
  for (const { run } of old) await store.remove(run);
  terminal.out.write(`${counted(old.length, "run")} removed, ${all.length - old.length} kept\n`);
  return exitCode.success;
}

const DEFAULT_KEEP = 100;

function isOf({ workflow }: StoredRun, wanted: string): boolean {
  return workflow === wanted || workflow.endsWith(`/${wanted}`);
}

/** A change of a member is a change of a public format. */
function runDocument(stored: StoredRun): object {
  const { run, workflow, runNumber, attempt, title, event, startedAt, repository, state } = stored;
  const ending = state.status === "completed" ? state.ending : undefined;
  return {
    run,
    workflow,
    runNumber,
    attempt,
    title: title ?? null,
    event,
    startedAt,
    repository,
    status: state.status,
    lost: state.status === "lost" ? state.cause : null,
    conclusion: ending?.conclusion ?? null,
    error: ending?.error ?? null,
    counts: ending?.counts ?? null,
    durationMs: ending?.durationMs ?? null,
  };
}

function row({ run, workflow, runNumber, attempt, event, state, startedAt, repository }: StoredRun): string[] {
  const ending = state.status === "completed" ? state.ending : undefined;
  return [
    run,
    workflowLabel(workflow),
    `#${runNumber}${attempt < 2 ? "" : `, attempt ${attempt}`}`,
    event,
    ending === undefined ? state.status : ending.error === undefined ? ending.conclusion : "error",
    ending === undefined ? "" : `${ending.counts.ran}/${ending.counts.declared}`,
    ending === undefined ? "" : formatDuration(ending.durationMs),
    startedAt.slice(0, 19).replace("T", " "),
    repository,
  ].map(plainText);
}
