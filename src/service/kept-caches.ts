/** The caches of this host for the person at the command line: every entry of every repository. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createBlobStore } from "./blob-store.ts";
import { CACHE_INDEX, openCacheStore } from "./cache-store.ts";
import type { CacheEntry, CacheStoreOptions } from "./cache-store.ts";

/** The one that was used last comes first. Makes nothing where there was nothing. */
export async function listCaches(options: CacheStoreOptions): Promise<readonly CacheEntry[]> {
  if (!existsSync(join(options.stateDir, CACHE_INDEX))) return [];
  using store = openCacheStore(options);
  return store.list();
}

/** A job that is restoring one of them is told that there is none, or loses its download. */
export async function removeCaches(options: CacheStoreOptions, ids: readonly number[]): Promise<void> {
  using store = openCacheStore(options);
  const blobs = createBlobStore({ directory: join(options.stateDir, "blobs"), now: options.now });
  for (const name of store.remove(ids)) await blobs.remove({ container: "caches", name });
}
