/** The caches that setup actions keep of what package managers have downloaded: restored at once, saved after the job. */
import { existsSync } from "node:fs";
import { restoreCache, saveCache } from "@actions/cache";
import { getState, info, saveState, setOutput } from "@actions/core";
import { hashFiles } from "@actions/glob";
import { canCache, warn } from "./cache-inputs.ts";

const KEY_STATE = "CACHE_KEY";
const MATCH_STATE = "CACHE_RESULT";
const PATHS_STATE = "CACHE_PATHS";

export interface FilesCache {
  /** Of the package manager, for people. */
  readonly name: string;
  readonly paths: readonly string[];
  /** Patterns of the files that say what is needed. */
  readonly dependencies: string;
  /** From their hash. */
  readonly key: (hash: string) => string;
  /** More general keys. */
  readonly restoreKeys?: readonly string[];
  /** What `cache-hit` says: that anything was found, or this very key. */
  readonly hit: "any" | "exact";
  /** The keys become outputs too. */
  readonly tell?: boolean;
}

/** Throws where no such file is there. */
export async function restoreFiles(cache: FilesCache): Promise<void> {
  const { name, paths, dependencies, key, restoreKeys = [], hit, tell } = cache;
  if (!canCache()) return;
  const hash = await hashFiles(dependencies);
  if (hash === "") {
    const files = dependencies.split("\n").join(",");
    throw new Error(`Some specified paths were not resolved, unable to cache dependencies. (${files})`);
  }
  const primary = key(hash);
  saveState(KEY_STATE, primary);
  saveState(PATHS_STATE, JSON.stringify(paths));
  if (tell === true) setOutput("cache-primary-key", primary);
  const found = await restoreCache([...paths], primary, [...restoreKeys]);
  setOutput("cache-hit", hit === "any" ? found !== undefined : found === primary);
  if (tell === true) setOutput("cache-matched-key", found);
  if (found === undefined) return info(`${name} cache is not found`);
  saveState(MATCH_STATE, found);
  info(`Cache restored from key: ${found}`);
}

/** `tolerant`: directories that are not there are said, as setup-go does; else they fail the step, as in the others. */
export async function saveFiles({ tolerant }: { readonly tolerant: boolean }): Promise<void> {
  const key = getState(KEY_STATE);
  if (key === "" || !canCache()) return;
  if (getState(MATCH_STATE) === key) return info(`Cache hit occurred on the primary key ${key}, not saving cache.`);
  const state: unknown = JSON.parse(getState(PATHS_STATE));
  const paths = Array.isArray(state) ? state.map(String) : [];
  if (tolerant && !paths.some((path) => existsSync(path))) return warn("There are no cache folders on the disk");
  const id = await saveCache(paths, key);
  if (id !== -1) info(`Cache saved with the key: ${key}`);
}
