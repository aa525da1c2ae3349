/** The checkpoints of this host: nothing is loaded, and no key is made, before there is something to keep or to look for. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { CheckpointStore } from "./checkpoint/checkpoint-store.ts";
import type { Config } from "./config.ts";
import type { Checkpoints } from "./engine/checkpoints.ts";

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
