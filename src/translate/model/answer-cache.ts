/**
 * Accepted answers by what was asked, in several places from near to far. A place that cannot be used costs time at most once in a
 * while and never stops a plan. What is found is as untrusted as an answer: others may write to a shared cache.
 */
import { createHash } from "node:crypto";
import { withDeadline } from "../../lib/deadline.ts";
import type { TranslationRequest } from "../translator.ts";
import { PROMPT_VERSION } from "./prompt.ts";

/** May reject. Both ways may be used concurrently. */
export interface CachePlace {
  /** Text of a composite action. */
  get(key: string): Promise<string | undefined>;
  set(key: string, manifest: string): Promise<void>;
  close(): Promise<void>;
}

export interface AnswerCache {
  /** Operations that failed. */
  readonly faults: number;
  get(key: string): Promise<string | undefined>;
  set(key: string, manifest: string): Promise<void>;
  close(): Promise<void>;
}

const OPERATION_WITHIN_MS = 2_000;
const UNUSED_AFTER_FAULT_MS = 30_000;

/** Same text for all that may be answered alike: by commit where it is known, else by reference and manifest. */
export function cacheKey(request: TranslationRequest, model: string): string {
  const { reference, sha, manifest, readmeUsage, outputsUsed } = request;
  const given = Object.entries(request.with).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const parts = [reference, sha ?? null, manifest ?? null, readmeUsage ?? null, given, outputsUsed.toSorted()];
  return createHash("sha256")
    .update(JSON.stringify([...parts, PROMPT_VERSION, model]))
    .digest("hex");
}

/** `places`: the nearest first. What is found farther away is put into those before it. */
export function createAnswerCache(places: readonly CachePlace[]): AnswerCache {
  const unusedUntilMs = new Map<CachePlace, number>();
  let faults = 0;

  async function tried<T>(place: CachePlace, work: () => Promise<T>): Promise<T | undefined> {
    if ((unusedUntilMs.get(place) ?? 0) > Date.now()) return undefined;
    try {
      return await withDeadline(work(), OPERATION_WITHIN_MS, () => {
        throw new Error("the cache did not answer");
      });
    } catch {
      // Whatever is wrong with a cache, a translation can be had without it; the count is shown.
      faults += 1;
      unusedUntilMs.set(place, Date.now() + UNUSED_AFTER_FAULT_MS);
      return undefined;
    }
  }

  return {
    get faults() {
      return faults;
    },
    async get(key) {
      for (const [index, place] of places.entries()) {
        const manifest = await tried(place, () => place.get(key));
        if (manifest === undefined) continue;
        for (const nearer of places.slice(0, index)) await tried(nearer, () => nearer.set(key, manifest));
        return manifest;
      }
      return undefined;
    },
    async set(key, manifest) {
      await Promise.all(places.map((place) => tried(place, () => place.set(key, manifest))));
    },
    async close() {
      await Promise.allSettled(
        places.map((place) => withDeadline(place.close(), OPERATION_WITHIN_MS, () => undefined)),
      );
    },
  };
}

const MAX_KEPT_IN_MEMORY = 1000;

export function createMemoryPlace(): CachePlace {
  const kept = new Map<string, string>();
  return {
    get: async (key) => kept.get(key),
    async set(key, manifest) {
      const [oldest] = kept.keys();
      if (kept.size >= MAX_KEPT_IN_MEMORY && oldest !== undefined) kept.delete(oldest);
      kept.set(key, manifest);
    },
    close: async () => kept.clear(),
  };
}
