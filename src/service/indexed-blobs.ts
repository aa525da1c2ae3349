/**
 * Blobs of one container together with the index that says what they are. A blob is sealed before the index calls it whole, so one
 * that belongs to nothing some time after that never will, and is removed.
 */
import type { BlobId, BlobStore } from "./blob-store.ts";
import type { Caller } from "./job-tokens.ts";

/** What an index says of its blobs, all by name. */
export interface BlobIndex extends Disposable {
  /** Forgets what is too old; answers its blobs. */
  collect(): readonly string[];
  /** All that belong to something, whole or not. */
  blobs(): ReadonlySet<string>;
  /** Gives up what the owner has reserved and not finished; answers its blobs. */
  abandon(owner: string): readonly string[];
}

/** Disposal waits until what ended jobs have left is removed. Safe to call twice. */
export interface IndexedBlobs<Index> extends AsyncDisposable {
  /** Opened, and everything collected, when it is first asked for. */
  readonly index: () => Promise<Index>;
  readonly idOf: (entry: { readonly blob: string }) => BlobId;
  readonly remove: (names: readonly string[]) => Promise<void>;
  /** Gives up what the job has not finished. */
  readonly endJob: (caller: Caller) => void;
}

const ORPHAN_MS = 3600_000;

export function createIndexedBlobs<Index extends BlobIndex>(
  container: BlobId["container"],
  { blobs, now }: { readonly blobs: BlobStore; readonly now: () => number },
  open: () => Index,
): IndexedBlobs<Index> {
  let opened: Promise<Index> | undefined;
  const ending = new Set<Promise<void>>();

  const remove = async (names: readonly string[]): Promise<void> => {
    for (const name of names) await blobs.remove({ container, name });
  };
  const openAndCollect = async (): Promise<Index> => {
    const index = open();
    await remove(index.collect());
    const sealed = await blobs.list(container);
    const needed = index.blobs();
    const orphans = sealed.filter(({ name, sealedAtMs }) => !needed.has(name) && sealedAtMs < now() - ORPHAN_MS);
    await remove(orphans.map(({ name }) => name));
    return index;
  };

  return {
    index: () => (opened ??= openAndCollect()),
    idOf: ({ blob }) => ({ container, name: blob }),
    remove,
    endJob(caller) {
      if (opened === undefined) return;
      // What cannot be removed goes with the machine's store, or is collected later.
      const work = opened.then((index) => remove(index.abandon(caller.id))).catch(() => undefined);
      ending.add(work);
      void work.then(() => ending.delete(work));
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(ending);
      // One that could not be opened has nothing to close.
      (await opened?.catch(() => undefined))?.[Symbol.dispose]();
      opened = undefined;
    },
  };
}
