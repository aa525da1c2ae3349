import { describe, expect, it } from "vitest";
import { EngineError } from "../lib/engine-error.ts";
import { eventually, fakeHost, silentLog, storeFixture } from "./run-queue.fixture.ts";
import type { FakeHost, StoreFixture } from "./run-queue.fixture.ts";
import { startRunQueue } from "./run-queue.ts";
import type { RunQueue, RunQueueParts } from "./run-queue.ts";
import { watchStore } from "./watched-store.ts";

function start({ store }: Pick<StoreFixture, "store">, host: FakeHost, options: Partial<RunQueueParts> = {}) {
  const watched = watchStore(store);
  const queue = startRunQueue({
    ...watched,
    host,
    reporter: { onEvent: () => undefined, atEnd: () => [], standing: () => [], ended: () => [] },
    onEvent: () => undefined,
    leaseMs: 30_000,
    log: silentLog,
    now: () => performance.now(),
    concurrency: 1,
    owner: "test",
    infraRetries: 1,
    ...options,
  });
  return { ...watched, queue };
}

const stop = (queue: RunQueue): Promise<void> => queue.drain(0, "the test is over", AbortSignal.abort());
const ended = (store: StoreFixture["store"], id: number) =>
  eventually(() => {
    const run = store.runs.find(id);
    return run?.state === "completed" ? run : undefined;
  });

describe("the queue of runs", () => {
  it("runs what is queued to its end and keeps the result", async () => {
    using fixture = storeFixture();
    const host = fakeHost();
    const { id } = fixture.add();
    const { queue, store } = start(fixture, host);
    const run = await host.run(0);
    expect(await eventually(() => store.runs.find(id)?.run)).toBe(run.stored);
    run.end("success");
    expect(await ended(store, id)).toMatchObject({ conclusion: "success", attempt: 1, run: run.stored });
    expect(run.disposed).toBe(true);
    await stop(queue);
  });

  it("lets one with a single run go before the second of one with many", async () => {
    using fixture = storeFixture();
    const host = fakeHost();
    const many = [1, 2, 3].map(() => fixture.add({ repository: "octo-org/many" }).id);
    const single = fixture.add({ repository: "octo-org/single" }).id;
    const { queue } = start(fixture, host);
    for (const index of [0, 1, 2, 3]) (await host.run(index)).end("success");
    expect(host.runs.map(({ id }) => id)).toEqual([many[0], single, many[1], many[2]]);
    await stop(queue);
  });

  it("runs no more at the same time than it may", async () => {
    using fixture = storeFixture();
    const host = fakeHost();
    [1, 2, 3].forEach(() => fixture.add());
    const { queue } = start(fixture, host, { concurrency: 2 });
    await host.run(1);
    expect(queue.running()).toBe(2);
    expect(host.runs).toHaveLength(2);
    host.runs[0]?.end("success");
    await host.run(2);
    await stop(queue);
  });

  it("ends one that cannot start as failure with the reason", async () => {
    using fixture = storeFixture();
    const { id } = fixture.add();
    const host = fakeHost({ fails: () => new EngineError("GIT_FAILED", "Cannot check out") });
    const { queue, store } = start(fixture, host);
    expect(await ended(store, id)).toMatchObject({ conclusion: "failure", reason: "Cannot check out" });
    await stop(queue);
  });

  it("cancels one that runs with the reason that was given", async () => {
    using fixture = storeFixture();
    const { id } = fixture.add();
    const host = fakeHost();
    const { queue, store } = start(fixture, host);
    await host.run(0);
    store.runs.cancel(id, "octocat asked for it");
    expect(await ended(store, id)).toMatchObject({ conclusion: "cancelled", reason: "octocat asked for it" });
    await stop(queue);
  });

  it("hears of a cancel that another process wrote", async () => {
    using fixture = storeFixture();
    const { id } = fixture.add();
    const host = fakeHost();
    const { queue, store } = start(fixture, host, { leaseMs: 300 });
    await host.run(0);
    fixture.reopen().runs.cancel(id, "from outside");
    expect(await ended(store, id)).toMatchObject({ conclusion: "cancelled" });
    await stop(queue);
  });

  it("keeps a run that lasts many leases", async () => {
    using fixture = storeFixture();
    const { id } = fixture.add();
    const host = fakeHost();
    const { queue, store } = start(fixture, host, { leaseMs: 150 });
    const run = await host.run(0);
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(store.runs.recover(1)).toEqual([]);
    run.end("success");
    expect(await ended(store, id)).toMatchObject({ conclusion: "success", attempt: 1 });
    await stop(queue);
  });
});

function died(fixture: StoreFixture, run = fixture.add()) {
  const lease = fixture.store.runs.claim(run.id, "dead", 30_000);
  if (lease === undefined) throw new Error("not claimed");
  return lease;
}

describe("a run whose server died", () => {
  it("is begun again as a new attempt, once", async () => {
    using fixture = storeFixture();
    const lease = died(fixture);
    const host = fakeHost();
    const { queue, store } = start({ store: fixture.reopen() }, host);
    const run = await host.run(0);
    expect(run).toMatchObject({ id: lease.id, attempt: 2, cancelled: false, killed: false });
    run.end("success");
    expect(await ended(store, lease.id)).toMatchObject({ conclusion: "success", attempt: 2 });
    await stop(queue);
  });

  it("is a failure when it was lost before", async () => {
    using fixture = storeFixture();
    const lease = died(fixture);
    const { queue, store } = start({ store: fixture.reopen() }, fakeHost(), { infraRetries: 0 });
    expect(await ended(store, lease.id)).toMatchObject({ conclusion: "failure", reason: "worker_lost" });
    await stop(queue);
  });

  it("is a failure when a job that deploys had started", async () => {
    using fixture = storeFixture();
    const { id } = fixture.add();
    const host = fakeHost();
    const first = start(fixture, host);
    (await host.run(0)).deploy();
    const second = start({ store: fixture.reopen() }, fakeHost());
    expect(await ended(second.store, id)).toMatchObject({ conclusion: "failure", reason: "worker_lost" });
    await stop(second.queue);
    await stop(first.queue);
  });

  it("is killed by a worker that finds another attempt in its place, and its result counts for nothing", async () => {
    using fixture = storeFixture();
    const { id } = fixture.add();
    const host = fakeHost({ endsOnCancel: false });
    const { queue } = start(fixture, host, { leaseMs: 300 });
    const run = await host.run(0);
    fixture.reopen().runs.recover(1);
    await eventually(() => run.killed);
    await eventually(() => run.disposed);
    expect(fixture.store.runs.find(id)?.attempt).toBe(2);
    await stop(queue);
  });

  it("is not taken from its worker by a wall clock that jumps", async () => {
    let monotonic = 0;
    using fixture = storeFixture(() => monotonic);
    died(fixture);
    monotonic += 29_999;
    expect(fixture.store.runs.recover(1)).toEqual([]);
    monotonic += 1;
    expect(fixture.store.runs.recover(1)).toHaveLength(1);
  });
});

describe("a queue that is drained", () => {
  it("waits for what runs and takes nothing more", async () => {
    using fixture = storeFixture();
    const [first, second] = [fixture.add(), fixture.add()];
    const host = fakeHost();
    const { queue, store } = start(fixture, host);
    const run = await host.run(0);
    const drained = queue.drain(60_000, "the server stops", new AbortController().signal);
    run.end("success");
    await drained;
    expect(store.runs.find(first.id)).toMatchObject({ conclusion: "success" });
    expect(store.runs.find(second.id)).toMatchObject({ state: "queued" });
  });

  it("cancels after the grace with the reason, and kills what does not end", async () => {
    using fixture = storeFixture();
    const { id } = fixture.add();
    const host = fakeHost({ endsOnCancel: false });
    const { queue, store } = start(fixture, host);
    const run = await host.run(0);
    await queue.drain(50, "the server stops", new AbortController().signal);
    expect(run).toMatchObject({ cancelled: true, killed: true, disposed: true });
    expect(store.runs.find(id)).toMatchObject({ conclusion: "cancelled", reason: "the server stops" });
  });
});
