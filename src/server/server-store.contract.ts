/** What every `ServerStore` owes (`server-store.ts`), the one in memory included. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Lease, NewDelivery, NewServerRun, ServerStore } from "./server-store.ts";
import type { Clock } from "./sqlite-runs.ts";

const DAY_MS = 24 * 3_600_000;

export function delivery(guid: string, changes: Partial<NewDelivery> = {}): NewDelivery {
  return {
    guid,
    event: "push",
    repository: "octo/hello",
    identity: `of ${guid}`,
    body: "{}",
    source: "webhook",
    ...changes,
  };
}

export function newRun(changes: Partial<NewServerRun> = {}): NewServerRun {
  return {
    repository: "octo/hello",
    workflow: ".github/workflows/ci.yml",
    event: "push",
    sha: "a".repeat(40),
    headSha: "a".repeat(40),
    ref: "refs/heads/main",
    actor: "octocat",
    pullRequest: undefined,
    trust: "trusted",
    declaredSteps: 3,
    inputs: { who: "you" },
    waitsFor: undefined,
    refusal: undefined,
    ...changes,
  };
}

export interface TestClock extends Clock {
  ms: number;
}

export function testClock(): TestClock {
  const clock: TestClock = { ms: 100 * DAY_MS, now: () => clock.ms, monotonicMs: () => clock.ms };
  return clock;
}

function queue(store: ServerStore, guid: string, changes: Partial<NewServerRun> = {}): number {
  const accepted = store.deliveries.accept(delivery(guid));
  if (accepted.kind !== "accepted") throw new Error(`${guid} is known`);
  const [run] = store.deliveries.settle(accepted.id, { state: "planned", runs: [newRun(changes)] });
  if (run === undefined) throw new Error("a planned delivery has its run");
  return run.id;
}

function claim(store: ServerStore, id: number): Lease {
  const lease = store.runs.claim(id, "me", 1_000);
  if (lease === undefined) throw new Error(`run ${id} is not to be had`);
  return lease;
}

const report = (key: string, body: string) => ({ key, kind: "comment", repository: "o/r", body }) as const;

/** `numRuns`: of the property test. */
export function serverStoreContract(name: string, create: (clock: Clock) => ServerStore, numRuns: number): void {
  function open(): { readonly store: ServerStore; readonly clock: TestClock } {
    const clock = testClock();
    return { store: create(clock), clock };
  }

  describe(`${name}: deliveries`, () => {
    it("keeps one, and hands out the oldest until it is settled", () => {
      using held = open().store;
      const first = held.deliveries.accept(delivery("one", { body: '{"a":1}' }));
      held.deliveries.accept(delivery("two"));
      expect(first.kind).toBe("accepted");
      expect(held.deliveries.next()).toMatchObject({ guid: "one", body: '{"a":1}', state: "received" });
      expect(held.deliveries.next()).toMatchObject({ guid: "one" });
      expect(held.deliveries.next([held.deliveries.next()?.id ?? 0])).toMatchObject({ guid: "two" });
      expect(held.deliveries.waiting()).toBe(2);
      held.deliveries.settle(held.deliveries.next()?.id ?? 0, { state: "ignored", reason: "because" });
      expect(held.deliveries.next()).toMatchObject({ guid: "two" });
      expect(held.deliveries.find("one")).toMatchObject({ state: "ignored", reason: "because" });
      expect(held.deliveries.list(5).map(({ guid }) => guid)).toEqual(["two", "one"]);
      expect(held.deliveries.list(5)[0]).not.toHaveProperty("body");
    });

    it("knows a GUID and an identity again, and nothing else", () => {
      using held = open().store;
      const first = held.deliveries.accept(delivery("one", { identity: "x" }));
      const of = first.kind === "accepted" ? first.id : 0;
      expect(held.deliveries.accept(delivery("one", { identity: "y" }))).toEqual({ kind: "duplicate", of });
      expect(held.deliveries.accept(delivery("two", { identity: "x" }))).toEqual({ kind: "replay", of });
      expect(held.deliveries.accept(delivery("three", { identity: "x", event: "create" })).kind).toBe("accepted");
      expect(held.deliveries.accept(delivery("four", { identity: "x", repository: "o/b" })).kind).toBe("accepted");
      expect(held.deliveries.accept(delivery("five", { identity: undefined })).kind).toBe("accepted");
      expect(held.deliveries.accept(delivery("six", { identity: undefined })).kind).toBe("accepted");
      expect(held.deliveries.waiting()).toBe(5);
    });

    it("takes several at once, a duplicate among them", () => {
      using held = open().store;
      const kinds = held.deliveries.acceptAll([delivery("one"), delivery("two"), delivery("one")]);
      expect(kinds.map(({ kind }) => kind)).toEqual(["accepted", "accepted", "duplicate"]);
    });

    it("settles once: the same runs whoever settles it again, their reports with them", () => {
      using held = open().store;
      const accepted = held.deliveries.accept(delivery("one"));
      const id = accepted.kind === "accepted" ? accepted.id : 0;
      const settle = () =>
        held.deliveries.settle(
          id,
          { state: "planned", runs: [newRun(), newRun(), newRun({ event: "other" })] },
          (run) => [{ key: `run ${run.id}`, kind: "status", repository: run.repository, body: "{}" }],
        );
      const first = settle();
      expect(first.map(({ event }) => event)).toEqual(["push", "other"]);
      expect(settle()).toEqual(first);
      expect(held.deliveries.settle(id, { state: "ignored", reason: "late" })).toEqual(first);
      expect(held.deliveries.find("one")).toMatchObject({ state: "planned", reason: undefined });
      expect(held.outbox.size()).toBe(2);
    });

    it("forgets bodies when told, and a GUID after thirty days, never what is in the line or has a run to come", () => {
      const { store, clock } = open();
      using held = store;
      const kept = queue(held, "planned");
      held.deliveries.accept(delivery("line"));
      const ignored = held.deliveries.accept(delivery("ignored"));
      held.deliveries.settle(ignored.kind === "accepted" ? ignored.id : 0, { state: "ignored", reason: "no" });
      clock.ms += DAY_MS;
      expect(held.deliveries.prune(clock.ms)).toBe(1);
      expect(held.deliveries.find("ignored")?.body).toBe("");
      expect(held.deliveries.accept(delivery("ignored")).kind).toBe("duplicate");
      clock.ms += 29 * DAY_MS;
      held.deliveries.prune(clock.ms);
      expect(held.deliveries.find("ignored")).toBeDefined();
      clock.ms += 2 * DAY_MS;
      held.deliveries.prune(clock.ms);
      expect(held.deliveries.find("ignored")).toBeUndefined();
      expect(held.deliveries.find("planned")?.body).toBe("{}");
      expect(held.deliveries.find("line")?.body).toBe("{}");
      held.runs.cancel(kept, "enough");
      held.deliveries.prune(clock.ms);
      expect(held.deliveries.find("planned")).toBeUndefined();
      expect(held.runs.find(kept)).toBeUndefined();
    });
  });

  describe(`${name}: runs`, () => {
    it("keeps what it was given", () => {
      using held = open().store;
      const id = queue(held, "one", { pullRequest: 7, trust: "outsider", waitsFor: "approval" });
      const given = newRun({ pullRequest: 7, trust: "outsider", waitsFor: "approval" });
      expect(held.runs.find(id)).toMatchObject({ ...given, id, state: "waiting", attempt: 1, run: undefined });
      expect(held.runs.find(id)?.reason).toContain("approval");
    });

    it("ends one that cannot be planned as failure with the reason, for good", () => {
      using held = open().store;
      const id = queue(held, "one", { refusal: "ci.yml:3:1: no such key" });
      expect(held.runs.find(id)).toMatchObject({
        state: "completed",
        conclusion: "failure",
        reason: "ci.yml:3:1: no such key",
      });
      expect(held.runs.rerun(id, false)).toBeUndefined();
      expect(held.runs.queued(5)).toEqual([]);
    });

    it("offers the oldest of each repository first", () => {
      using held = open().store;
      const [a1, a2, a3] = ["1", "2", "3"].map((guid) => queue(held, guid, { repository: "o/a" }));
      const b1 = queue(held, "4", { repository: "o/b" });
      expect(held.runs.queued(10).map(({ id }) => id)).toEqual([a1, b1, a2, a3]);
      expect(held.runs.queued(2).map(({ id }) => id)).toEqual([a1, b1]);
      expect(held.runs.counts()).toEqual({ waiting: 0, queued: 4, running: 0, completed: 0 });
    });

    it("gives a run to one, knows it by its stored name, and takes one result", () => {
      using held = open().store;
      const id = queue(held, "one");
      const lease = claim(held, id);
      expect(held.runs.claim(id, "you", 1_000)).toBeUndefined();
      expect(held.runs.started(lease, "r1")).toBe(true);
      expect(held.runs.findByRun("r1")).toMatchObject({ id, state: "running", firstRun: undefined });
      expect(held.runs.extend(lease, 1_000)).toEqual({ cancelRequested: false });
      expect(held.runs.complete(lease, "success", undefined, [report("k", "1")])).toBe(true);
      expect(held.runs.complete(lease, "failure", "again", [report("late", "1")])).toBe(false);
      expect(held.runs.extend(lease, 1_000)).toBe(false);
      expect(held.runs.started(lease, "r2")).toBe(false);
      expect(held.runs.deploys(lease)).toBe(false);
      expect(held.runs.find(id)).toMatchObject({ state: "completed", conclusion: "success", run: "r1" });
      expect(held.outbox.size()).toBe(1);
      expect(held.runs.list({ repository: "octo/hello", state: "completed", limit: 5 })).toHaveLength(1);
      expect(held.runs.list({ repository: "octo/other", limit: 5 })).toEqual([]);
    });

    it("queues a lost one again as long as retries last, and refuses what its first holder says", () => {
      const { store, clock } = open();
      using held = store;
      const id = queue(held, "one");
      const first = claim(held, id);
      held.runs.started(first, "r1");
      expect(held.runs.recover(1)).toEqual([]);
      clock.ms += 1_000;
      expect(held.runs.recover(1)).toMatchObject([{ id, state: "queued", attempt: 2, run: undefined, firstRun: "r1" }]);
      expect(held.runs.extend(first, 1_000)).toBe(false);
      expect(held.runs.complete(first, "success", undefined, [])).toBe(false);
      const second = claim(held, id);
      held.runs.started(second, "r2");
      expect(held.runs.findByRun("r2")).toMatchObject({ attempt: 2, firstRun: "r1" });
      clock.ms += 1_000;
      expect(held.runs.recover(1)).toMatchObject([
        { state: "completed", conclusion: "failure", reason: "worker_lost" },
      ]);
      expect(held.runs.complete(second, "success", undefined, [])).toBe(false);
      expect(held.runs.recover(1)).toEqual([]);
    });

    it("never repeats one that began to deploy", () => {
      const { store, clock } = open();
      using held = store;
      const lease = claim(held, queue(held, "one"));
      expect(held.runs.deploys(lease)).toBe(true);
      clock.ms += 1_000;
      expect(held.runs.recover(5)).toMatchObject([{ state: "completed", reason: "worker_lost" }]);
    });

    it("cancels at once what has not begun, and tells the holder of what has", () => {
      const { store, clock } = open();
      using held = store;
      const waiting = queue(held, "one", { waitsFor: "approval" });
      expect(held.runs.cancel(waiting, "no")).toMatchObject({
        state: "completed",
        conclusion: "cancelled",
        reason: "no",
      });
      expect(held.runs.cancel(waiting, "again")).toBeUndefined();
      const lease = claim(held, queue(held, "two"));
      expect(held.runs.cancel(lease.id, "stop")).toMatchObject({ state: "running", cancelRequested: true });
      expect(held.runs.extend(lease, 1_000)).toEqual({ cancelRequested: true });
      clock.ms += 1_000;
      // Its holder is gone: to begin it again is not what was asked for.
      expect(held.runs.recover(5)).toMatchObject([{ state: "completed", conclusion: "cancelled", reason: "stop" }]);
    });

    it("starts what is approved, once, and waits again for what was not when it is run again", () => {
      using held = open().store;
      const id = queue(held, "one", { waitsFor: "approval" });
      expect(held.runs.claim(id, "me", 1_000)).toBeUndefined();
      expect(held.runs.approve(id, "ada")).toMatchObject({ state: "queued", waitsFor: undefined, reason: undefined });
      expect(held.runs.approve(id, "ada")).toBeUndefined();
      held.runs.cancel(id, "no");
      expect(held.runs.rerun(id, false)).toMatchObject({ state: "queued", attempt: 2 });
      const other = queue(held, "two", { waitsFor: "approval" });
      held.runs.cancel(other, "no");
      expect(held.runs.rerun(other, false)).toMatchObject({ state: "waiting", attempt: 2, conclusion: undefined });
    });

    it("asks before each attempt where an environment asks first", () => {
      using held = open().store;
      const id = queue(held, "one", { waitsFor: "environment" });
      expect(held.runs.find(id)?.reason).toContain("environment");
      expect(held.runs.approve(id, "ada")).toMatchObject({ state: "queued", reason: undefined });
      held.runs.complete(claim(held, id), "success", undefined, []);
      expect(held.runs.rerun(id, false)).toMatchObject({ state: "waiting", waitsFor: "environment", attempt: 2 });
      expect(held.runs.approve(id, "ada")).toMatchObject({ state: "queued" });
    });

    it("remembers what nobody was told of, until somebody is", () => {
      const { store, clock } = open();
      using held = store;
      const id = queue(held, "one", { waitsFor: "approval" });
      expect(held.runs.untold(10)).toEqual([]);
      held.runs.approve(id, "ada");
      const [approved] = held.runs.untold(10);
      expect(approved).toMatchObject({ run: { id, state: "queued" }, standing: true, lost: [] });
      const lease = claim(held, id);
      // Its worker tells from here on.
      expect(held.runs.untold(10)).toEqual([]);
      expect(approved !== undefined && held.runs.tell(approved, [report("late", "1")])).toBe(false);
      held.runs.started(lease, "r1");
      clock.ms += 1_000;
      held.runs.recover(1);
      const second = claim(held, id);
      held.runs.started(second, "r2");
      expect(held.runs.untold(10)).toMatchObject([{ standing: false, lost: [{ attempt: 1, run: "r1" }] }]);
      clock.ms += 1_000;
      held.runs.recover(1);
      const [lost] = held.runs.untold(10);
      const both = [
        { attempt: 1, run: "r1" },
        { attempt: 2, run: "r2" },
      ];
      expect(lost).toMatchObject({ run: { state: "completed", reason: "worker_lost" }, standing: true, lost: both });
      expect(lost !== undefined && held.runs.tell(lost, [report("told", "1")])).toBe(true);
      expect(held.runs.untold(10)).toEqual([]);
      expect(held.outbox.due(0, 10).map(({ key }) => key)).toEqual(["told"]);
      held.runs.rerun(id, false);
      held.runs.cancel(id, "no");
      expect(held.runs.untold(10)).toMatchObject([{ standing: true, lost: [], run: { conclusion: "cancelled" } }]);
    });

    it("runs again what has completed, behind those that wait, under the first attempt's name", () => {
      using held = open().store;
      const id = queue(held, "one");
      const lease = claim(held, id);
      held.runs.started(lease, "r1");
      expect(held.runs.rerun(id, true)).toBeUndefined();
      held.runs.complete(lease, "failure", "step 2", []);
      const next = queue(held, "two");
      expect(held.runs.rerun(id, true)).toMatchObject({
        state: "queued",
        attempt: 2,
        firstRun: "r1",
        failedOnly: true,
        conclusion: undefined,
        reason: undefined,
      });
      expect(held.runs.queued(5).map((run) => run.id)).toEqual([next, id]);
      expect(held.runs.complete(lease, "success", undefined, [])).toBe(false);
    });

    it("loses no run and takes one result for each attempt, in whatever order holders come and go", () => {
      const step = fc.oneof(
        fc.record({ do: fc.constant("claim" as const), run: fc.nat(2) }),
        fc.record({ do: fc.constantFrom("extend" as const, "complete" as const, "start" as const), lease: fc.nat(30) }),
        fc.record({ do: fc.constant("wait" as const), ms: fc.nat(700) }),
        fc.record({ do: fc.constant("recover" as const), retries: fc.nat(2) }),
        fc.record({ do: fc.constantFrom("cancel" as const, "rerun" as const), run: fc.nat(2) }),
      );
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
          const { store, clock } = open();
          using held = store;
          const ids = ["a", "b", "c"].map((guid) => queue(held, guid));
          const leases: Lease[] = [];
          const accepted: string[] = [];
          const verdicts: { readonly did: boolean; readonly may: boolean; readonly step: unknown }[] = [];
          let names = 0;
          for (const one of steps) {
            const id = "run" in one ? (ids[one.run] ?? 0) : 0;
            const lease = "lease" in one ? leases[one.lease % Math.max(1, leases.length)] : undefined;
            const before = held.runs.find(lease?.id ?? id);
            if (one.do === "wait" && "ms" in one) clock.ms += one.ms;
            else if (one.do === "recover" && "retries" in one) held.runs.recover(one.retries);
            else if (one.do === "cancel") held.runs.cancel(id, "no");
            else if (one.do === "rerun") held.runs.rerun(id, false);
            else if (one.do === "claim") {
              const got = held.runs.claim(id, "me", 1_000);
              if (got !== undefined) leases.push(got);
              verdicts.push({ step: one, did: got !== undefined, may: before?.state === "queued" });
            } else if (lease !== undefined) {
              // Only the newest lease of a run may say anything.
              const may = before?.state === "running" && leases.findLast((each) => each.id === lease.id) === lease;
              const say = {
                extend: () => held.runs.extend(lease, 1_000) !== false,
                start: () => held.runs.started(lease, `r${(names += 1)}`),
                complete: () => held.runs.complete(lease, "success", undefined, []),
              };
              const did = "lease" in one ? say[one.do]() : may;
              if (one.do === "complete" && did) accepted.push(`${lease.id} ${lease.attempt}`);
              verdicts.push({ step: one, did, may });
            }
          }
          expect(verdicts.filter(({ did, may }) => did !== may)).toEqual([]);
          expect(new Set(accepted).size).toBe(accepted.length);
          // Whatever happened, recovering and running what is queued ends every run.
          clock.ms += 1_000;
          held.runs.recover(1);
          for (const { id } of held.runs.queued(10)) held.runs.complete(claim(held, id), "success", undefined, []);
          expect(held.runs.counts()).toEqual({ waiting: 0, queued: 0, running: 0, completed: 3 });
        }),
        { numRuns },
      );
    });
  });

  describe(`${name}: outbox and notes`, () => {
    it("keeps the last state of each key, oldest first", () => {
      using held = open().store;
      held.outbox.put(report("a", "1"));
      held.outbox.put(report("b", "1"));
      const [old] = held.outbox.due(0, 10);
      held.outbox.put(report("a", "2"));
      // It was replaced while it was being sent: the later one is still to be sent.
      held.outbox.sent(old?.id ?? 0);
      expect(held.outbox.due(0, 10).map(({ key, body }) => key + body)).toEqual(["b1", "a2"]);
      expect(held.outbox.size()).toBe(2);
    });

    it("waits for what failed, and never offers again what was given up", () => {
      using held = open().store;
      held.outbox.put(report("a", "1"));
      const id = held.outbox.due(0, 1)[0]?.id ?? 0;
      held.outbox.failed(id, { atMs: 50, error: "502" });
      expect(held.outbox.due(49, 10)).toEqual([]);
      expect(held.outbox.due(50, 10)).toMatchObject([{ id, tries: 1 }]);
      held.outbox.abandon(id, "404");
      expect(held.outbox.due(1_000, 10)).toEqual([]);
      expect(held.outbox.size()).toBe(0);
    });

    it("forgets the older ones of those that were given up", () => {
      using held = open().store;
      for (const key of ["a", "b", "c", "d"]) held.outbox.put(report(key, "1"));
      for (const { id, key } of held.outbox.due(0, 10)) if (key !== "b") held.outbox.abandon(id, "404");
      expect(held.outbox.prune(2)).toBe(1);
      expect(held.outbox.prune(2)).toBe(0);
      expect(held.outbox.due(0, 10).map(({ key }) => key)).toEqual(["b"]);
    });

    it("finds notes by how they begin, and forgets them", () => {
      using held = open().store;
      for (const name of ["check:2", "check:1", "other", "check%"]) held.notes.set(name, "1");
      expect(held.notes.names("check:")).toEqual(["check:1", "check:2"]);
      held.notes.remove("check:1");
      held.notes.remove("check:1");
      expect(held.notes.names("check:")).toEqual(["check:2"]);
    });

    it("keeps notes by name", () => {
      using held = open().store;
      expect(held.notes.get("cursor")).toBeUndefined();
      held.notes.set("cursor", "1");
      held.notes.set("cursor", "2");
      expect(held.notes.get("cursor")).toBe("2");
    });
  });
}
