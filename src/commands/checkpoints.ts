/** `hearth checkpoints list|rm`: the moments of runs that are kept to go on from. */
import type { StoredCheckpoint } from "../checkpoint/checkpoint-store.ts";
import { EngineError } from "../lib/engine-error.ts";
import { mebibytes } from "./cell-text.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";
import { formatDuration } from "./duration.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { writeTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export interface CheckpointsListOptions {
  readonly json?: boolean;
}

export interface CheckpointsRemoveOptions {
  readonly all?: boolean;
  readonly job?: string;
  readonly step?: number;
}

/** `prefix`: beginning of a run's id; without it of all runs. Throws CHECKPOINT_NOT_FOUND for one that has none. */
export async function listCheckpoints(
  { checkpoints }: Hearth,
  terminal: Terminal,
  prefix: string | undefined,
  { json }: CheckpointsListOptions,
): Promise<ExitCode> {
  const { out, err } = terminal;
  const all = await checkpoints.list();
  const found = prefix === undefined ? all : all.filter(({ run }) => run.startsWith(prefix));
  if (prefix !== undefined && found.length === 0) throw noneOf(prefix);
  const diskBytes = await checkpoints.diskBytes();
  if (json === true) {
    out.write(`${JSON.stringify({ checkpoints: found, diskBytes }, undefined, 2)}\n`);
    return exitCode.success;
  }
  if (found.length === 0) {
    err.write("No checkpoints are kept.\n");
    return exitCode.success;
  }
  const rows = found.map(({ run, job, step, stepName, at, machineBytes, addedBytes }) =>
    [
      run,
      job,
      String(step),
      formatDuration(terminal.now() - Date.parse(at)),
      sizeText(machineBytes),
      sizeText(addedBytes),
      stepName,
    ].map(plainText),
  );
  writeTable(out, ["RUN", "JOB", "STEP", "AGE", "MACHINE", "ADDED", "BEFORE"], rows);
  out.write(`${counted(found.length, "checkpoint")}; all that are kept take ${sizeText(diskBytes)}\n`);
  return exitCode.success;
}

/** Of a run, those of a job or before a step of it, or all there are. Throws BAD_USAGE and CHECKPOINT_NOT_FOUND; then none is removed. */
export async function removeCheckpoints(
  { checkpoints }: Hearth,
  { err }: Terminal,
  prefix: string | undefined,
  { all = false, job, step }: CheckpointsRemoveOptions,
): Promise<ExitCode> {
  const isNarrowed = prefix !== undefined || job !== undefined || step !== undefined;
  if (all && isNarrowed) throw usage("--all takes neither a run nor --job nor --step");
  if (!all && prefix === undefined) throw usage("Name a run, or --all");
  const kept = await checkpoints.list();
  const before = await checkpoints.diskBytes();
  const found = all ? kept : narrow(kept, prefix ?? "", job, step);
  if (all) await checkpoints.removeAll();
  else for (const { run, job, step } of found) await checkpoints.remove({ run, job, step });
  const freed = Math.max(0, before - (await checkpoints.diskBytes()));
  err.write(`removed ${counted(found.length, "checkpoint")}, which gave back ${sizeText(freed)}\n`);
  return exitCode.success;
}

function narrow(
  kept: readonly StoredCheckpoint[],
  prefix: string,
  job: string | undefined,
  step: number | undefined,
): readonly StoredCheckpoint[] {
  const ofRun = kept.filter(({ run }) => run.startsWith(prefix));
  const runs = [...new Set(ofRun.map(({ run }) => run))];
  if (runs.length === 0) throw noneOf(prefix);
  if (runs.length > 1 && !runs.includes(prefix)) {
    throw usage(`${runs.length} runs with checkpoints begin with ${prefix}: ${runs.slice(0, 5).join(", ")}`);
  }
  const [run] = runs.includes(prefix) ? [prefix] : runs;
  const own = ofRun.filter((one) => one.run === run);
  const found = own.filter((one) => (job ?? one.job) === one.job && (step ?? one.step) === one.step);
  if (found.length > 0) return found;
  const there = [...new Set(own.map((one) => `${one.job} before step ${one.step}`))].slice(0, 5).join(", ");
  throw new EngineError(
    "CHECKPOINT_NOT_FOUND",
    `No such checkpoint is kept of run ${run ?? prefix}: there is ${there}`,
    {
      hint: `hearth checkpoints list ${run ?? prefix}`,
    },
  );
}

function noneOf(prefix: string): EngineError {
  return new EngineError("CHECKPOINT_NOT_FOUND", `No checkpoint is kept of a run that begins with ${prefix}`, {
    hint: "`hearth checkpoints list` lists them all.",
  });
}

function usage(message: string): EngineError {
  return new EngineError("BAD_USAGE", message, { hint: "hearth checkpoints rm --help" });
}

function sizeText(sizeBytes: number): string {
  return sizeBytes < 1024 ** 2 ? "<1 MiB" : mebibytes(sizeBytes);
}
