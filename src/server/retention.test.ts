import { describe, expect, it } from "vitest";
import type { RunState, StoredRun } from "../store/run-store.ts";
import { createMemoryServerStore } from "./memory-server-store.ts";
import { forgetOld } from "./retention.ts";
import type { RetentionLimits } from "./retention.ts";
import { silentLog } from "./run-queue.fixture.ts";

const DAY = 24 * 3600_000;
const NOW = Date.parse("2026-11-22T10:00:00Z");
const completed: RunState = {
  status: "completed",
  ending: {
    at: "2026-11-22T10:00:00.000Z",
    type: "run_completed",
    conclusion: "success",
    error: undefined,
    counts: { declared: 0, ran: 0, skipped: 0, notReached: 0, cancelled: 0 },
    durationMs: 1,
  },
};

function stored(run: string, ageDays: number, state: RunState = completed): StoredRun {
  const startedAt = new Date(NOW - ageDays * DAY).toISOString();
  return {
    run,
    runNumber: 1,
    startedAt,
    title: undefined,
    attempt: 1,
    state,
    repository: "o/r",
    workflow: "ci.yml",
    event: "push",
  };
}

const signal = new AbortController().signal;

async function forgotten(
  runs: readonly StoredRun[],
  limits: Partial<RetentionLimits>,
  store = createMemoryServerStore({ now: () => NOW, monotonicMs: () => 0 }),
): Promise<readonly string[]> {
  const removed: string[] = [];
  await forgetOld(
    {
      stored: { list: async () => runs, remove: async (run) => void removed.push(run) },
      store,
      limits: { runs: 100, ageMs: 1000 * DAY, sizeBytes: 1e9, ...limits },
      sizeOf: async () => 10,
      forgetCaches: async () => undefined,
      tidyMirrors: async () => ({ packed: 0, removed: 0 }),
      now: () => NOW,
      log: silentLog,
    },
    signal,
  );
  return removed;
}

describe("what a server forgets", () => {
  const runs = [stored("d", 1), stored("c", 5), stored("b", 20), stored("a", 40)];
  it("is what is old, too many or too large, the oldest first", async () => {
    expect(await forgotten(runs, {})).toEqual([]);
    expect(await forgotten(runs, { ageMs: 10 * DAY })).toEqual(["b", "a"]);
    expect(await forgotten(runs, { runs: 3 })).toEqual(["a"]);
    expect(await forgotten(runs, { sizeBytes: 25 })).toEqual(["b", "a"]);
  });

  it("is what was noted of check runs of runs that are gone, and what GitHub never took", async () => {
    const store = createMemoryServerStore({ now: () => NOW, monotonicMs: () => 0 });
    store.notes.set("check:5:1:build", "{}");
    store.notes.set("missed app", "1");
    for (let index = 0; index < 1_002; index += 1) {
      store.outbox.put({ key: `k${index}`, kind: "status", repository: "o/r", body: "{}" });
    }
    for (const { id } of store.outbox.due(0, 2_000)) store.outbox.abandon(id, "404");
    await forgotten([], {}, store);
    expect(store.notes.names("")).toEqual(["missed app"]);
    expect(store.outbox.prune(0)).toBe(1_000);
  });

  it("is never what goes on", async () => {
    const old = [stored("z", 400, { status: "in_progress" }), stored("y", 400)];
    expect(await forgotten(old, { ageMs: DAY, runs: 0 })).toEqual(["y"]);
  });
});
