/**
 * The checkpoints of this host's runs: of each the machine's files, as a provider saved them, and the engine's state, encrypted below
 * `<stateDir>/checkpoints` (docs/checkpoints.md). What several checkpoints hold alike is on the disk once. A checkpoint is there whole or
 * not at all, whatever is killed when. Any number of processes at once on one directory.
 *
 * The heavy work is done in a thread of its own. What is plain lies only in the directories of drafts and of opened checkpoints.
 */
import { EngineError } from "../lib/engine-error.ts";
import type { CheckpointDescription, CheckpointName, StoredCheckpoint } from "./checkpoint.ts";
import { readFront } from "./index-file.ts";
import { makePlainDirectory } from "./plain-directory.ts";
import type { PlainDirectory } from "./plain-directory.ts";
import { deriveKeys } from "./sealed-object.ts";
import { bytesOf, checkpointsDirectory, indexPath, stemOf, surveyShelf } from "./shelf.ts";
import type { Shelf } from "./shelf.ts";
import type { StoreAnswer } from "./store-calls.ts";
import { createStoreThread } from "./store-thread.ts";

export type { CheckpointDescription, CheckpointName, StoredCheckpoint } from "./checkpoint.ts";

export interface CheckpointStore {
  /**
   * A new empty directory, this user's alone, for the machine's files: in memory where there is room for `expectedBytes` and enough to
   * spare, else below the state. Throws STATE_UNWRITABLE.
   */
  begin(expectedBytes: number): Promise<CheckpointDraft>;
  /** Oldest first; those that this key does not open are left out. */
  list(run?: string): Promise<readonly StoredCheckpoint[]>;
  /**
   * Throws CHECKPOINT_NOT_FOUND, which names what there is, and CHECKPOINT_UNUSABLE where bytes are broken, cut or another key's. Any
   * number at once, also of one checkpoint, which may be removed meanwhile.
   */
  open(checkpoint: CheckpointName): Promise<OpenCheckpoint>;
  /** Throws CHECKPOINT_NOT_FOUND. One that is damaged can be removed too. */
  remove(checkpoint: CheckpointName): Promise<void>;
  /** All of a run; nothing where there are none. */
  removeRun(run: string): Promise<void>;
  /** All there are, also those that this key does not open. */
  removeAll(): Promise<void>;
  /** Of all of them on the disk: what several share counts once. */
  diskBytes(): Promise<number>;
}

/** Disposing removes the directory, unless it was kept; twice is safe. */
export interface CheckpointDraft extends AsyncDisposable {
  readonly directory: string;
  /**
   * Stores what is in the directory, which is gone afterwards, also when this throws. From the moment this resolves the checkpoint is
   * there, whatever is killed; one of the same name is replaced. Older ones are removed where there are more bytes than the limit, those of
   * other runs first. Throws STATE_UNWRITABLE, with nothing left, where the disk is full or the checkpoint alone is over the limit.
   * Once.
   */
  keep(description: CheckpointDescription, engine: Buffer): Promise<StoredCheckpoint>;
}

/** Disposing removes the directory; twice is safe. */
export interface OpenCheckpoint extends AsyncDisposable {
  readonly description: StoredCheckpoint;
  readonly engine: Buffer;
  /** The machine's files, as they were in the draft. This user's alone. */
  readonly directory: string;
}

export interface CheckpointStoreOptions {
  readonly stateDir: string;
  /** 32 bytes. */
  readonly key: Buffer;
  /** Of all checkpoints together, on the disk. */
  readonly limitBytes: number;
  /** A file system in memory; default: `/dev/shm`. */
  readonly memoryDir?: string;
}

export function createCheckpointStore(options: CheckpointStoreOptions): CheckpointStore {
  const { stateDir, key, limitBytes, memoryDir = "/dev/shm" } = options;
  const directory = checkpointsDirectory(stateDir);
  const shelf = { directory, keys: deriveKeys(key) };
  const ask = createStoreThread({ directory, key, limitBytes });

  async function makePlain(bytes: number, what: string): Promise<PlainDirectory> {
    try {
      return await makePlainDirectory(memoryDir, directory, bytes);
    } catch (error) {
      throw unwritable(what, error);
    }
  }

  async function list(run?: string): Promise<readonly StoredCheckpoint[]> {
    return surveyShelf(shelf)
      .indexes.map(({ description }) => description)
      .filter((description) => description !== undefined)
      .filter((description) => run === undefined || description.run === run);
  }

  async function notFound(checkpoint: CheckpointName): Promise<EngineError> {
    return new EngineError("CHECKPOINT_NOT_FOUND", describeAbsence(checkpoint, await list(checkpoint.run)), {
      hint: "`hearth checkpoints list` lists them.",
    });
  }

  return {
    async begin(expectedBytes) {
      const plain = await makePlain(expectedBytes, "Cannot begin a checkpoint");
      return {
        directory: plain.path,
        async keep(description, engine) {
          try {
            const { run, job, step } = description;
            const what = `Cannot keep the checkpoint of run ${run}, job ${JSON.stringify(job)}, step ${step}`;
            const answer = await ask({ kind: "keep", source: plain.path, description, engine }, what);
            return expectKind(answer, "kept").stored;
          } finally {
            await plain[Symbol.asyncDispose]();
          }
        },
        [Symbol.asyncDispose]: () => plain[Symbol.asyncDispose](),
      };
    },
    list,
    async open(checkpoint) {
      const { run, job, step } = checkpoint;
      const what = `Cannot open the checkpoint of run ${run}, job ${JSON.stringify(job)}, step ${step}`;
      const plain = await makePlain(machineBytes(shelf, checkpoint), what);
      try {
        const answer = await ask({ kind: "open", checkpoint: { run, job, step }, target: plain.path }, what);
        if (answer.kind === "absent") throw await notFound(checkpoint);
        const { description, engine } = expectKind(answer, "opened");
        return {
          description,
          engine: Buffer.from(engine.buffer, engine.byteOffset, engine.byteLength),
          directory: plain.path,
          [Symbol.asyncDispose]: () => plain[Symbol.asyncDispose](),
        };
      } catch (error) {
        await plain[Symbol.asyncDispose]();
        throw error;
      }
    },
    async remove(checkpoint) {
      const { run, job, step } = checkpoint;
      const answer = await ask({ kind: "remove", which: { run, job, step } }, "Cannot remove a checkpoint");
      if (expectKind(answer, "removed").count === 0) throw await notFound(checkpoint);
    },
    async removeRun(run) {
      if ((await list(run)).length > 0) await ask({ kind: "remove", which: { run } }, "Cannot remove checkpoints");
    },
    removeAll: async () => void (await ask({ kind: "remove", which: "all" }, "Cannot remove checkpoints")),
    diskBytes: async () => bytesOf(surveyShelf(shelf)),
  };
}

/** 0 where it cannot be known: opening then says why. */
function machineBytes(shelf: Shelf, checkpoint: CheckpointName): number {
  const stem = stemOf(checkpoint, shelf.keys);
  try {
    return readFront(indexPath(shelf, stem), stem, shelf.keys).description?.machineBytes ?? 0;
  } catch {
    return 0;
  }
}

/** Names what there is, the nearest first. */
function describeAbsence({ run, job, step }: CheckpointName, ofRun: readonly CheckpointName[]): string {
  const start = `No checkpoint is kept of run ${run}, job ${JSON.stringify(job)} before step ${step}`;
  const steps = (name: string): string => {
    const own = ofRun.filter((one) => one.job === name).map((one) => one.step);
    return own.toSorted((a, b) => a - b).join(", ");
  };
  if (ofRun.length === 0) return `${start}: there is none of this run`;
  if (steps(job) !== "") return `${start}: there are those before ${steps(job)}`;
  const jobs = [...new Set(ofRun.map((one) => one.job))].slice(0, 5);
  return `${start}: there are ${jobs.map((name) => `job ${JSON.stringify(name)} before ${steps(name)}`).join("; ")}`;
}

function expectKind<K extends StoreAnswer["kind"]>(answer: StoreAnswer, kind: K): Extract<StoreAnswer, { kind: K }> {
  const isKind = (one: StoreAnswer): one is Extract<StoreAnswer, { kind: K }> => one.kind === kind;
  if (!isKind(answer)) throw new Error(`the thread of the checkpoints answered ${answer.kind} for ${kind}`);
  return answer;
}

function unwritable(what: string, cause: unknown): EngineError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new EngineError("STATE_UNWRITABLE", `${what}: ${reason}`, { cause });
}
