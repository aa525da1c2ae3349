/** The checkpoints of this host: nothing is loaded, and no key is made, before there is something to keep or to look for. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { CheckpointStore } from "./checkpoint/checkpoint-store.ts";
import type { Config } from "./config.ts";
import type { Checkpoints } from "./checkpoint/checkpoints.ts";
import type { ForkDirectories } from "./engine/matrix-fork-directories.ts";

export function createHostCheckpoints({ stateDir, secretKey, checkpointsBytes }: Config): CheckpointStore {
  let made: Promise<CheckpointStore> | undefined;
  const store = (): Promise<CheckpointStore> => (made ??= load());

  async function load(): Promise<CheckpointStore> {
    const [{ createCheckpointStore }, { openSecretKey }] = await Promise.all([
      import("./checkpoint/checkpoint-store.ts"),
      import("./secret/secret-key.ts"),
    ]);
    const { bytes } = openSecretKey({ stateDir, ...secretKey });
    return createCheckpointStore({ stateDir, key: bytes, limitBytes: checkpointsBytes });
  }

  async function ifAny<T>(work: (store: CheckpointStore) => Promise<T>, otherwise: T): Promise<T> {
    return existsSync(join(stateDir, "checkpoints")) ? work(await store()) : otherwise;
  }

  return {
    begin: async (expectedBytes) => (await store()).begin(expectedBytes),
    open: async (checkpoint) => (await store()).open(checkpoint),
    remove: async (checkpoint) => (await store()).remove(checkpoint),
    list: (run) => ifAny((one) => one.list(run), []),
    removeRun: (run) => ifAny((one) => one.removeRun(run), undefined),
    removeAll: () => ifAny((one) => one.removeAll(), undefined),
    diskBytes: () => ifAny((one) => one.diskBytes(), 0),
  };
}

/** Where machines lie while they are copied: as plain as where one is saved before it is put away, and never put away. */
export function hostForkDirectories({ stateDir }: Pick<Config, "stateDir">): ForkDirectories {
  return {
    async make(expectedBytes) {
      const { makePlainDirectory } = await import("./checkpoint/plain-directory.ts");
      return makePlainDirectory("/dev/shm", join(stateDir, "matrix-fork"), expectedBytes);
    },
  };
}

/** For a run: the store adds the time of day. */
export function checkpointsFor(when: Checkpoints["when"], store: CheckpointStore): Checkpoints {
  return {
    when,
    async begin(expectedBytes) {
      const draft = await store.begin(expectedBytes);
      return {
        directory: draft.directory,
        keep: (taken, engine) => draft.keep({ ...taken, at: new Date().toISOString() }, engine),
        [Symbol.asyncDispose]: () => draft[Symbol.asyncDispose](),
      };
    },
  };
}
