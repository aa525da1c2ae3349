/** Checkpoints for tests: machines' files in a temporary directory, the rest in memory, with faults on demand. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Checkpoints, TakenCheckpoint } from "../src/checkpoint/checkpoints.ts";
import type { Resumption } from "../src/engine/resumption.ts";
import { readSavedJob } from "../src/engine/saved-job.ts";

export interface MemoryCheckpoints extends Checkpoints, AsyncDisposable {
  readonly kept: readonly (TakenCheckpoint & { readonly engine: Buffer; readonly directory: string })[];
  /** What `hearth retry` makes of the one before this step. */
  resumption(step: number, job?: string): Resumption;
}

export interface CheckpointFaults {
  /** The nth directory cannot be made. */
  readonly failBegin?: number;
  /** The nth checkpoint cannot be put away. */
  readonly failKeep?: number;
  readonly beforeKeep?: () => Promise<void>;
}

export function memoryCheckpoints(when: Checkpoints["when"], faults: CheckpointFaults = {}): MemoryCheckpoints {
  const kept: (TakenCheckpoint & { engine: Buffer; directory: string })[] = [];
  const directories: string[] = [];
  let keeps = 0;
  return {
    when,
    kept,
    async begin() {
      if (directories.length + 1 === faults.failBegin) throw new Error("no space left");
      const directory = await mkdtemp(join(tmpdir(), "hearth-checkpoint-"));
      directories.push(directory);
      return {
        directory,
        async keep(taken, engine) {
          await faults.beforeKeep?.();
          if ((keeps += 1) === faults.failKeep) throw new Error("no space left");
          kept.push({ ...taken, engine, directory });
          return { machineBytes: 1, addedBytes: 1 };
        },
        [Symbol.asyncDispose]: async () => undefined,
      };
    },
    resumption(step, job) {
      const found = kept.find((one) => one.step === step && (job === undefined || one.job === job));
      if (found === undefined) throw new Error(`no checkpoint before step ${step}`);
      const saved = readSavedJob(found.engine);
      return { run: found.run, saved, machine: { ...saved.machine, directory: found.directory } };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true })));
    },
  };
}
