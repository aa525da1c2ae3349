/** What GitHub is told of runs that lost their process, with reports as they are sent and a record as it was left. */
import { describe, expect, it } from "vitest";
import { aRun } from "../commands/fake-hearth.ts";
import { readCheckRunBody } from "../github/report-body.ts";
import { createRunReporter } from "../github/reporter.ts";
import type { RunEvent } from "../store/run-event.ts";
import { createMemoryServerStore } from "./memory-server-store.ts";
import { silentLog } from "./run-queue.fixture.ts";
import { delivery, newRun, testClock } from "./server-store.contract.ts";
import type { NewServerRun, ServerStore } from "./server-store.ts";
import { startChangeTeller } from "./tell-of-changes.ts";
import { watchStore } from "./watched-store.ts";

const at = "2026-11-22T10:00:00.000Z";
/** Killed in its second step. */
const LEFT: readonly RunEvent[] = aRun([{ name: "One" }, { name: "Two" }])
  .slice(0, 8)
  .map((body) => ({ at, ...body }));

function begin(changes: Partial<NewServerRun> = {}) {
  const clock = testClock();
  const { store, changes: told } = watchStore(createMemoryServerStore(clock));
  const accepted = store.deliveries.accept(delivery("g", { identity: undefined }));
  const id = accepted.kind === "accepted" ? accepted.id : 0;
  const [run] = store.deliveries.settle(id, { state: "planned", runs: [newRun(changes)] });
  const reporter = createRunReporter({ kind: "checks", comment: true, detailsUrl: () => undefined }, () => undefined);
  const tell = async (read: () => AsyncIterable<RunEvent>): Promise<void> => {
    const teller = startChangeTeller({ store, changes: told, reporter, stored: { read }, log: silentLog });
    await teller.stop();
  };
  return { store, clock, tell, run: run?.id ?? 0 };
}

async function* left(): AsyncGenerator<RunEvent> {
  yield* LEFT;
}

/** `check:1:1:build` to its state or conclusion. */
function checks(store: ServerStore): Readonly<Record<string, string | undefined>> {
  const due = store.outbox.due(Number.MAX_SAFE_INTEGER, 100).filter(({ kind }) => kind === "check_run");
  return Object.fromEntries(
    due.map(({ key, body }) => {
      const { status, conclusion } = readCheckRunBody(body).fields;
      return [key, conclusion ?? status];
    }),
  );
}

function lose(store: ServerStore, clock: { ms: number }, run: number, name: string, retries: number): void {
  const lease = store.runs.claim(run, "me", 1_000);
  if (lease === undefined) throw new Error("not queued");
  store.runs.started(lease, name);
  clock.ms += 2_000;
  store.runs.recover(retries);
}

describe("a run that lost its process", () => {
  it("has its check runs ended, and those of its next attempt begun", async () => {
    const { store, clock, tell, run } = begin();
    lose(store, clock, run, "r1", 1);
    await tell(left);
    expect(checks(store)).toEqual({
      [`check:${run}:1:`]: "failure",
      [`check:${run}:1:build`]: "failure",
      [`check:${run}:2:`]: "queued",
    });
    expect(store.runs.untold(10)).toEqual([]);
  });

  it("fails with its last attempt, on the pull request too", async () => {
    const { store, clock, tell, run } = begin({ pullRequest: 5 });
    lose(store, clock, run, "r1", 1);
    lose(store, clock, run, "r2", 1);
    await tell(left);
    expect(checks(store)).toEqual({
      [`check:${run}:1:`]: "failure",
      [`check:${run}:1:build`]: "failure",
      [`check:${run}:2:`]: "failure",
      [`check:${run}:2:build`]: "failure",
    });
    const comment = store.outbox.due(Number.MAX_SAFE_INTEGER, 100).filter(({ kind }) => kind === "comment");
    expect(comment).toMatchObject([{ body: expect.stringContaining("**failure**") }]);
  });

  it("is told of although its record is gone", async () => {
    const { store, clock, tell, run } = begin();
    lose(store, clock, run, "r1", 0);
    await tell(() => {
      throw new Error("ENOENT");
    });
    expect(checks(store)).toEqual({ [`check:${run}:1:`]: "failure" });
  });
});

describe("a run that nobody worked on", () => {
  it("is told of when it is cancelled, also by a command while no server ran", async () => {
    const { store, tell, run } = begin();
    store.runs.cancel(run, "no");
    await tell(left);
    expect(checks(store)).toEqual({ [`check:${run}:1:`]: "cancelled" });
  });

  it("is not told of again once a worker has told", async () => {
    const { store, clock, tell, run } = begin();
    lose(store, clock, run, "r1", 1);
    const lease = store.runs.claim(run, "me", 1_000);
    if (lease !== undefined) store.runs.complete(lease, "success", undefined, []);
    await tell(left);
    // Only what the lost attempt left going.
    expect(Object.keys(checks(store))).toEqual([`check:${run}:1:`, `check:${run}:1:build`]);
  });
});
