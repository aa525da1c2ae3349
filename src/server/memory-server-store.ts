/** The server's store in memory, for tests of what stands on it: held to the same contract as the one on disk. */
import { GUIDS_KEPT_MS } from "./sqlite-deliveries.ts";
import { WAITS_FOR } from "./sqlite-runs.ts";
import type { Clock } from "./sqlite-runs.ts";
import type {
  Accepted,
  Delivery,
  Lease,
  LostAttempt,
  NewDelivery,
  NewReport,
  NewServerRun,
  Report,
  ServerRun,
  ServerStore,
} from "./server-store.ts";

/** A run, and what only its store knows of it. */
interface Held {
  run: ServerRun;
  place: number;
  fence: number;
  leaseUntilMs: number;
  losses: number;
  deploys: boolean;
  firstRun: string | undefined;
  untold: boolean;
  lost: readonly LostAttempt[];
}

export function createMemoryServerStore({ now, monotonicMs }: Clock): ServerStore {
  const deliveries = new Map<number, Delivery>();
  const runs = new Map<number, Held>();
  const reports = new Map<number, Report & { dueMs: number; abandoned: boolean }>();
  const notes = new Map<string, string>();
  let lastDelivery = 0;
  let lastRun = 0;
  let lastReport = 0;
  let lastPlace = 0;

  function accept(delivery: NewDelivery): Accepted {
    const all = [...deliveries.values()];
    const same = all.find(({ guid }) => guid === delivery.guid);
    if (same !== undefined) return { kind: "duplicate", of: same.id };
    const { identity, event, repository } = delivery;
    const replayed =
      identity === undefined
        ? undefined
        : all.find((one) => one.identity === identity && one.event === event && one.repository === repository);
    if (replayed !== undefined) return { kind: "replay", of: replayed.id };
    const id = (lastDelivery += 1);
    deliveries.set(id, { ...delivery, id, receivedAtMs: now(), state: "received", reason: undefined });
    return { kind: "accepted", id };
  }

  function put(report: NewReport): void {
    for (const [id, { key }] of reports) if (key === report.key) reports.delete(id);
    const id = (lastReport += 1);
    reports.set(id, { ...report, id, tries: 0, dueMs: 0, abandoned: false });
  }

  function insert(delivery: number, run: NewServerRun): ServerRun | undefined {
    const there = runsOf(delivery).some(({ workflow, event }) => workflow === run.workflow && event === run.event);
    if (there) return undefined;
    const isRefused = run.refusal !== undefined;
    const waits = run.waitsFor === undefined ? ("queued" as const) : ("waiting" as const);
    const id = (lastRun += 1);
    const made: ServerRun = {
      ...run,
      id,
      delivery,
      state: isRefused ? "completed" : waits,
      attempt: 1,
      run: undefined,
      firstRun: undefined,
      conclusion: isRefused ? "failure" : undefined,
      reason: run.refusal ?? reasonOf(run),
      cancelRequested: false,
      failedOnly: false,
      queuedAtMs: now(),
      startedAtMs: undefined,
      completedAtMs: isRefused ? now() : undefined,
    };
    const place = (lastPlace += 1);
    const known = { leaseUntilMs: 0, losses: 0, deploys: false, firstRun: undefined, untold: false, lost: [] };
    runs.set(id, { run: made, place, fence: 0, ...known });
    return made;
  }

  function runsOf(delivery: number): readonly ServerRun[] {
    return [...runs.values()].map(({ run }) => run).filter((run) => run.delivery === delivery);
  }

  function isOver({ id, state }: Delivery): boolean {
    return state !== "received" && runsOf(id).every((run) => run.state === "completed");
  }

  function heldBy({ id, attempt, fence }: Lease): Held | undefined {
    const held = runs.get(id);
    const isHeld = held?.run.state === "running" && held.run.attempt === attempt && held.fence === fence;
    return isHeld ? held : undefined;
  }

  function change(held: Held, changes: Partial<ServerRun>): ServerRun {
    held.run = { ...held.run, ...changes };
    return held.run;
  }

  function newAttempt(held: Held, changes: Partial<ServerRun>): ServerRun {
    held.fence += 1;
    held.place = lastPlace += 1;
    held.untold = true;
    return change(held, {
      attempt: held.run.attempt + 1,
      run: undefined,
      firstRun: held.firstRun,
      startedAtMs: undefined,
      queuedAtMs: now(),
      ...changes,
    });
  }

  return {
    deliveries: {
      accept,
      acceptAll: (several) => several.map(accept),
      next: (except = []) =>
        [...deliveries.values()].find((one) => one.state === "received" && !except.includes(one.id)),
      waiting: () => [...deliveries.values()].filter(({ state }) => state === "received").length,
      settle(id, end, reportsOf = () => []) {
        const delivery = deliveries.get(id);
        if (delivery?.state !== "received") return runsOf(id);
        deliveries.set(id, {
          ...delivery,
          state: end.state,
          reason: end.state === "planned" ? undefined : end.reason,
        });
        const inserted = end.state === "planned" ? end.runs.flatMap((run) => insert(id, run) ?? []) : [];
        for (const run of inserted) reportsOf(run).forEach(put);
        return runsOf(id);
      },
      find: (guid) => [...deliveries.values()].find((one) => one.guid === guid),
      get: (id) => deliveries.get(id),
      list: (limit) =>
        [...deliveries.values()]
          .toReversed()
          .slice(0, limit)
          .map(({ body: _body, ...summary }) => summary),
      prune(beforeMs) {
        let touched = 0;
        for (const delivery of deliveries.values()) {
          if (!isOver(delivery)) continue;
          if (delivery.receivedAtMs < Math.min(beforeMs, now() - GUIDS_KEPT_MS)) {
            deliveries.delete(delivery.id);
            for (const run of runsOf(delivery.id)) runs.delete(run.id);
            touched += 1;
          } else if (delivery.receivedAtMs < beforeMs && delivery.body !== "") {
            deliveries.set(delivery.id, { ...delivery, body: "" });
            touched += 1;
          }
        }
        return touched;
      },
    },
    runs: {
      find: (id) => runs.get(id)?.run,
      findByRun: (name) => [...runs.values()].find(({ run }) => run.run === name)?.run,
      list: ({ repository, state, limit }) =>
        [...runs.values()]
          .map(({ run }) => run)
          .filter((run) => repository === undefined || run.repository === repository)
          .filter((run) => state === undefined || run.state === state)
          .toReversed()
          .slice(0, limit),
      counts() {
        const counts = { waiting: 0, queued: 0, running: 0, completed: 0 };
        for (const { run } of runs.values()) counts[run.state] += 1;
        return counts;
      },
      queued(limit) {
        const queued = [...runs.values()].filter(({ run }) => run.state === "queued").toSorted(byPlace);
        const lines = [...Map.groupBy(queued, ({ run }) => run.repository).values()];
        const ranked = lines.flatMap((line) => line.map((held, rank) => ({ ...held, rank })));
        return ranked
          .toSorted((left, right) => left.rank - right.rank || byPlace(left, right))
          .slice(0, limit)
          .map(({ run }) => run);
      },
      claim(id, _owner, leaseMs) {
        const held = runs.get(id);
        if (held?.run.state !== "queued") return undefined;
        held.fence += 1;
        held.leaseUntilMs = monotonicMs() + leaseMs;
        held.untold = false;
        const { attempt } = change(held, { state: "running" });
        return { id, attempt, fence: held.fence };
      },
      started(lease, run) {
        const held = heldBy(lease);
        if (held === undefined) return false;
        const firstRun = held.firstRun;
        held.firstRun ??= run;
        change(held, { run, firstRun, startedAtMs: now() });
        return true;
      },
      deploys(lease) {
        const held = heldBy(lease);
        if (held !== undefined) held.deploys = true;
        return held !== undefined;
      },
      extend(lease, leaseMs) {
        const held = heldBy(lease);
        if (held === undefined) return false;
        held.leaseUntilMs = monotonicMs() + leaseMs;
        return { cancelRequested: held.run.cancelRequested };
      },
      complete(lease, conclusion, reason, put_) {
        const held = heldBy(lease);
        if (held === undefined) return false;
        held.untold = false;
        change(held, { state: "completed", conclusion, reason: reason ?? held.run.reason, completedAtMs: now() });
        put_.forEach(put);
        return true;
      },
      recover(infraRetries) {
        const lost = [...runs.values()].filter(
          (held) => held.run.state === "running" && held.leaseUntilMs <= monotonicMs(),
        );
        return lost.map((held) => {
          const { cancelRequested, reason, attempt, run } = held.run;
          if (run !== undefined) held.lost = [...held.lost, { attempt, run }];
          if (held.losses < infraRetries && !cancelRequested && !held.deploys) {
            held.losses += 1;
            return newAttempt(held, { state: "queued" });
          }
          held.fence += 1;
          held.untold = true;
          return change(held, {
            state: "completed",
            conclusion: cancelRequested ? "cancelled" : "failure",
            reason: cancelRequested ? (reason ?? "worker_lost") : "worker_lost",
            completedAtMs: now(),
          });
        });
      },
      approve(id) {
        const held = runs.get(id);
        if (held?.run.state !== "waiting") return undefined;
        held.place = lastPlace += 1;
        held.untold = true;
        const waitsFor = held.run.waitsFor === "environment" ? held.run.waitsFor : undefined;
        return change(held, { state: "queued", waitsFor, reason: undefined, queuedAtMs: now() });
      },
      cancel(id, reason) {
        const held = runs.get(id);
        if (held === undefined || held.run.state === "completed") return undefined;
        if (held.run.state === "running") return change(held, { cancelRequested: true, reason });
        held.untold = true;
        const ended = { state: "completed", conclusion: "cancelled", completedAtMs: now() } as const;
        return change(held, { cancelRequested: true, reason, ...ended });
      },
      rerun(id, failedOnly) {
        const held = runs.get(id);
        if (held?.run.state !== "completed" || held.run.refusal !== undefined) return undefined;
        held.losses = 0;
        held.deploys = false;
        return newAttempt(held, {
          state: held.run.waitsFor === undefined ? "queued" : "waiting",
          reason: reasonOf(held.run),
          failedOnly,
          conclusion: undefined,
          completedAtMs: undefined,
          cancelRequested: false,
        });
      },
      untold: (limit) =>
        [...runs.values()]
          .filter(({ untold, lost }) => untold || lost.length > 0)
          .slice(0, limit)
          .map(({ run, untold, lost }) => ({ run, standing: untold, lost })),
      tell({ run }, told) {
        const held = runs.get(run.id);
        if (held?.run.attempt !== run.attempt || held.run.state !== run.state) return false;
        held.untold = false;
        held.lost = [];
        told.forEach(put);
        return true;
      },
    },
    outbox: {
      put,
      due: (nowMs, limit) =>
        [...reports.values()]
          .filter(({ abandoned, dueMs }) => !abandoned && dueMs <= nowMs)
          .slice(0, limit)
          .map(({ dueMs: _dueMs, abandoned: _abandoned, ...report }) => report),
      sent: (id) => void reports.delete(id),
      failed(id, { atMs }) {
        const report = reports.get(id);
        if (report !== undefined) reports.set(id, { ...report, tries: report.tries + 1, dueMs: atMs });
      },
      abandon(id) {
        const report = reports.get(id);
        if (report !== undefined) reports.set(id, { ...report, abandoned: true });
      },
      size: () => [...reports.values()].filter(({ abandoned }) => !abandoned).length,
      prune(keep) {
        const givenUp = [...reports.values()].filter(({ abandoned }) => abandoned);
        const old = givenUp.slice(0, Math.max(0, givenUp.length - keep));
        for (const { id } of old) reports.delete(id);
        return old.length;
      },
    },
    notes: {
      get: (name) => notes.get(name),
      set: (name, value) => void notes.set(name, value),
      names: (prefix) => [...notes.keys()].filter((name) => name.startsWith(prefix)).toSorted(),
      remove: (name) => void notes.delete(name),
    },
    [Symbol.dispose]: () => undefined,
  };
}

function reasonOf({ waitsFor }: Pick<NewServerRun, "waitsFor">): string | undefined {
  return waitsFor === undefined ? undefined : WAITS_FOR[waitsFor];
}

function byPlace(left: { readonly place: number }, right: { readonly place: number }): number {
  return left.place - right.place;
}
