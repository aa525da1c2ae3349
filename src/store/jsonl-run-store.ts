/**
 * Runs as files under the state directory: `runs/<run id>/events.jsonl`, beside it `run.json` with what is known before the
 * first event and which process writes it. Directories are 0700 and files 0600 whatever the umask, because logs are private
 * to the person who ran them; a directory of ours that is a link or belongs to somebody else is refused.
 */
import { createHash } from "node:crypto";
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { int, number, object, optional, safeParse, string } from "zod/mini";
import { EngineError } from "../lib/engine-error.ts";
import { readBeginning, readEnding, readEvents } from "./event-reader.ts";
import { openEventWriter } from "./event-writer.ts";
import { identifyProcess, isAlive, isOfEarlierBoot } from "../lib/process-identity.ts";
import type { ProcessIdentity } from "../lib/process-identity.ts";
import type { RunEvent } from "./run-event.ts";
import type { NewRun, RunState, RunStore, RunWriter, StoredRun } from "./run-store.ts";

const RunFile = object({
  run: string(),
  runNumber: number(),
  repository: string(),
  workflow: string(),
  event: string(),
  startedAt: string(),
  process: object({ pid: int(), bootId: optional(string()), startTicks: optional(string()) }),
});

export interface RunStoreOptions {
  /** Made when it is not there. */
  readonly stateDir: string;
  readonly now: () => number;
  /** Of `[0, 1)`. */
  readonly random: () => number;
  /** Called after a run was removed: what else is kept of it can go. */
  readonly onRemoved?: (run: string) => Promise<void>;
}

export function createJsonlRunStore({ stateDir, now, random, onRemoved }: RunStoreOptions): RunStore {
  const runsDir = join(stateDir, "runs");
  const numbersDir = join(stateDir, "run-numbers");

  async function create({ attemptOf, ...run }: NewRun): Promise<RunWriter> {
    makePrivateDir(stateDir, runsDir);
    makePrivateDir(stateDir, numbersDir);
    const startedAtMs = now();
    const id = makeRunDir(runsDir, startedAtMs, random);
    const runNumber = numberOf(attemptOf) ?? takeRunNumber(join(numbersDir, workflowKey(run)));
    const startedAt = new Date(startedAtMs).toISOString();
    const content = { run: id, runNumber, ...run, startedAt, process: identifyProcess(process.pid) };
    // On the disk to stay: without it nobody would find the events, which are.
    const file = { flag: "wx", mode: 0o600, flush: true };
    writeFileSync(join(runsDir, id, "run.json"), `${JSON.stringify(content)}\n`, file);
    await forgetOldRuns();
    return openEventWriter({ run: id, runNumber, path: join(runsDir, id, "events.jsonl"), now });
  }

  function numberOf(run: string | undefined): number | undefined {
    if (run === undefined || !isRunId(run)) return undefined;
    const parsed = safeParse(RunFile, readJson(join(runsDir, run, "run.json")));
    return parsed.success ? parsed.data.runNumber : undefined;
  }

  async function list(): Promise<readonly StoredRun[]> {
    const found = await Promise.all(runIds(runsDir).map((run) => readRun(runsDir, run)));
    return found.filter((run) => run !== undefined);
  }

  async function find(prefix: string | undefined): Promise<StoredRun> {
    const fitting = runIds(runsDir).filter((run) => prefix === undefined || run.startsWith(prefix));
    const [first, second] = fitting;
    if (first === undefined) {
      const what = prefix === undefined ? "No run is kept" : `No run begins with ${prefix}`;
      throw new EngineError("RUN_NOT_FOUND", `${what} in ${stateDir}`, { hint: "`hearth runs` lists the runs." });
    }
    if (prefix !== undefined && prefix !== first && second !== undefined) {
      const some = fitting.slice(0, 5).join(", ");
      throw new EngineError("RUN_NOT_FOUND", `${fitting.length} runs begin with ${prefix}: ${some}`, {
        hint: "Give more of the id.",
      });
    }
    const run = await readRun(runsDir, first);
    if (run === undefined) throw new EngineError("STATE_UNREADABLE", `Cannot read ${join(runsDir, first, "run.json")}`);
    return run;
  }

  /** One that is going on stays, however old it is. What cannot be removed must not keep the new run from starting. */
  async function forgetOldRuns(): Promise<void> {
    for (const id of runIds(runsDir).slice(KEPT_RUNS)) {
      const run = await readRun(runsDir, id);
      if (run?.state.status !== "in_progress") await remove(id).catch(unlessUnwritable);
    }
  }

  async function remove(run: string): Promise<void> {
    if (!isRunId(run)) throw new EngineError("RUN_NOT_FOUND", `${run} is not the id of a run`);
    try {
      await rm(join(runsDir, run), { recursive: true, force: true });
      await onRemoved?.(run);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new EngineError("STATE_UNWRITABLE", `Cannot remove run ${run}: ${reason}`, { cause: error });
    }
  }

  async function* read(run: string): AsyncGenerator<RunEvent> {
    if (!existsSync(join(runsDir, run))) throw new EngineError("RUN_NOT_FOUND", `Run ${run} is not kept any more`);
    yield* readEvents(join(runsDir, run, "events.jsonl"));
  }

  return { create, list, find, read, remove };
}

/** Where a run is kept, and what its process has beside that; closed to other users. */
export function runDirectory(stateDir: string, run: string): string {
  return join(stateDir, "runs", run);
}

/** So that a machine on which somebody works for a year does not fill its disk; `hearth runs prune` keeps fewer. */
const KEPT_RUNS = 500;

/** The parent's own mode is its owner's business (`--state /tmp`); what we make in it is closed. */
function makePrivateDir(stateDir: string, path: string): void {
  const stat = orUnwritable(stateDir, () => {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    tryMakeDir(path);
    return lstatSync(path);
  });
  if (!stat.isDirectory() || (process.getuid !== undefined && stat.uid !== process.getuid())) {
    throw new EngineError("STATE_UNWRITABLE", `Cannot keep runs in ${path}: it is not a directory of this user`, {
      hint: "Remove it, or name another directory with --state.",
    });
  }
  if ((stat.mode & 0o077) !== 0) chmodSync(path, 0o700);
}

/** What the file system refuses is for the person who named the directory. */
function orUnwritable<T>(stateDir: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EngineError("STATE_UNWRITABLE", `Cannot keep runs in ${stateDir}: ${reason}`, {
      cause: error,
      hint: "Name another directory with --state.",
    });
  }
}

/** False when something of that name is there. */
function tryMakeDir(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if (isCode(error, "EEXIST")) return false;
    throw error;
  }
}

/** Eight digits of milliseconds in base 36 (until the year 2059) sort by time; three more keep apart what starts together. */
function makeRunDir(runsDir: string, startedAtMs: number, random: () => number): string {
  for (;;) {
    const suffix = Math.floor(random() * 36 ** 3)
      .toString(36)
      .padStart(3, "0");
    const run = startedAtMs.toString(36).padStart(8, "0") + suffix;
    if (tryMakeDir(join(runsDir, run))) return run;
  }
}

/** A number is taken by creating its file: exactly one process can. The files stay, so that none is taken twice. */
function takeRunNumber(dir: string): number {
  tryMakeDir(dir);
  for (let next = Math.max(0, ...readdirSync(dir).map(Number).filter(Number.isSafeInteger)) + 1; ; next += 1) {
    try {
      writeFileSync(join(dir, String(next)), "", { flag: "wx", mode: 0o600 });
      return next;
    } catch (error) {
      if (!isCode(error, "EEXIST")) throw error;
    }
  }
}

function workflowKey({ repository, workflow }: NewRun): string {
  return createHash("sha256").update(`${repository}\0${workflow}`).digest("hex").slice(0, 24);
}

/** Newest first; anything else that lies in the directory is not a run. */
function runIds(runsDir: string): string[] {
  try {
    return readdirSync(runsDir).filter(isRunId).toSorted().toReversed();
  } catch (error) {
    if (isCode(error, "ENOENT")) return [];
    throw error;
  }
}

function unlessUnwritable(error: unknown): void {
  if (!(error instanceof EngineError)) throw error;
}

function isRunId(name: string): boolean {
  return /^[a-z0-9]{11}$/.test(name);
}

/** Undefined for a directory that a crash or somebody else left without a readable `run.json`. */
async function readRun(runsDir: string, run: string): Promise<StoredRun | undefined> {
  const parsed = safeParse(RunFile, readJson(join(runsDir, run, "run.json")));
  if (!parsed.success || parsed.data.run !== run) return undefined;
  const { process: writer, ...known } = parsed.data;
  const { beginning, ending } = await readEnds(join(runsDir, run, "events.jsonl"));
  const identity = { pid: writer.pid, bootId: writer.bootId, startTicks: writer.startTicks };
  const state: RunState = ending === undefined ? withoutEnding(identity) : { status: "completed", ending };
  return { ...known, title: beginning?.title, attempt: beginning?.attempt ?? 1, firstRun: beginning?.firstRun, state };
}

function withoutEnding(writer: ProcessIdentity): RunState {
  if (isAlive(writer)) return { status: "in_progress" };
  return { status: "lost", cause: isOfEarlierBoot(writer) ? "host_restarted" : "killed" };
}

async function readEnds(path: string): Promise<{
  readonly beginning: Awaited<ReturnType<typeof readBeginning>>;
  readonly ending: Awaited<ReturnType<typeof readEnding>>;
}> {
  try {
    return { beginning: await readBeginning(path), ending: await readEnding(path) };
  } catch (error) {
    // Killed between making the directory and making the file.
    if (isCode(error, "ENOENT")) return { beginning: undefined, ending: undefined };
    throw error;
  }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError || isCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
