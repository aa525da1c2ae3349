/**
 * What a server forgets, so that its disk does not fill: records of runs with their logs and artifacts, by age, number and size, the
 * oldest first; bodies of deliveries; caches that nobody asks for; mirrors' packs, and mirrors that nobody uses. Never what goes on. Safe to do again at any moment.
 */
import { EngineError } from "../lib/engine-error.ts";
import type { RunStore } from "../store/run-store.ts";
import type { MirrorsTidied } from "./mirror-upkeep.ts";
import type { ServerLog } from "./server-log.ts";
import type { ServerLoop } from "./serve.ts";
import type { ServerStore } from "./server-store.ts";

export interface RetentionParts {
  readonly stored: Pick<RunStore, "list" | "remove">;
  readonly store: Pick<ServerStore, "deliveries" | "outbox" | "notes" | "runs">;
  readonly limits: RetentionLimits;
  /** Of a run's record, log and artifacts. */
  readonly sizeOf: (run: string) => Promise<number>;
  readonly forgetCaches: () => Promise<void>;
  readonly tidyMirrors: (signal: AbortSignal) => Promise<MirrorsTidied>;
  /** Wall clock, in ms. */
  readonly now: () => number;
  readonly log: ServerLog;
}

export interface RetentionLimits {
  readonly runs: number;
  readonly ageMs: number;
  readonly sizeBytes: number;
}

const FIRST_AFTER_MS = 60_000;
const EVERY_MS = 3600_000;
/** Reports that GitHub will not take, for people who look why. */
const GIVEN_UP_KEPT = 1_000;

/** Answers how many runs went. */
export async function forgetOld(parts: RetentionParts, signal: AbortSignal): Promise<number> {
  const { stored, store, limits, now, log } = parts;
  const all = await stored.list();
  let sizeBytes = 0;
  let removed = 0;
  for (const [index, { run, startedAt, state }] of all.entries()) {
    if (state.status === "in_progress") continue;
    // Newest first: what is over the size is the older part.
    sizeBytes += await parts.sizeOf(run);
    const isOld = now() - Date.parse(startedAt) > limits.ageMs;
    if (index < limits.runs && !isOld && sizeBytes <= limits.sizeBytes) continue;
    try {
      await stored.remove(run);
      removed += 1;
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      log.warn("run not removed", { stored: run, error: error.message });
    }
  }
  const deliveries = store.deliveries.prune(now() - limits.ageMs);
  const reports = store.outbox.prune(GIVEN_UP_KEPT) + forgetCheckRuns(store, now() - limits.ageMs);
  await parts.forgetCaches();
  const mirrors = await parts.tidyMirrors(signal);
  if (mirrors.packed + mirrors.removed > 0) log.info("mirrors tidied", { ...mirrors });
  if (removed + deliveries + reports > 0) log.info("old things forgotten", { runs: removed, deliveries, reports });
  return removed;
}

/** What was noted of check runs, of runs that are gone or have ended long ago: nothing more is to be said of them. */
function forgetCheckRuns({ notes, runs }: Pick<ServerStore, "notes" | "runs">, beforeMs: number): number {
  const old = notes.names("check:").filter((name) => {
    const run = runs.find(Number(name.split(":")[1]));
    return run === undefined || (run.completedAtMs ?? Number.POSITIVE_INFINITY) < beforeMs;
  });
  for (const name of old) notes.remove(name);
  return old.length;
}

export function startRetention(parts: RetentionParts): ServerLoop {
  let working: Promise<unknown> | undefined;
  const ending = new AbortController();
  const forget = async (): Promise<void> => {
    try {
      await forgetOld(parts, ending.signal);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!ending.signal.aborted) parts.log.warn("old things not forgotten", { error: reason });
    } finally {
      working = undefined;
    }
  };
  // A large mirror may take longer than the time between two.
  const work = (): void => void (working ??= forget());
  const first = setTimeout(work, FIRST_AFTER_MS);
  const timer = setInterval(work, EVERY_MS);
  return {
    async stop() {
      clearTimeout(first);
      clearInterval(timer);
      ending.abort(new EngineError("GIT_FAILED", "The server ends"));
      await working;
    },
  };
}
