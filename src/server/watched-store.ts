/**
 * The server's store, telling of every run that one of its methods changed, so that nobody polls for what this process does
 * itself. What another process writes is not told: readers that must not miss it look again now and then.
 */
import type { ServerRun, ServerRuns, ServerStore } from "./server-store.ts";

export interface RunChanges {
  /** Called after the change is durable. Must not throw. */
  subscribe(listener: RunListener): Disposable;
}

type RunListener = (run: ServerRun, by: RunChange) => void;

/** The method that changed it. */
type RunChange = "settle" | "claim" | "started" | "complete" | "recover" | "approve" | "cancel" | "rerun";

export function watchStore(store: ServerStore): { readonly store: ServerStore; readonly changes: RunChanges } {
  const listeners = new Set<RunListener>();
  const told = (by: RunChange, run: ServerRun | undefined): ServerRun | undefined => {
    if (run !== undefined) for (const listener of listeners) listener(run, by);
    return run;
  };
  const { runs, deliveries } = store;
  const watchedRuns: ServerRuns = {
    find: (id) => runs.find(id),
    findByRun: (run) => runs.findByRun(run),
    list: (filter) => runs.list(filter),
    counts: () => runs.counts(),
    queued: (limit) => runs.queued(limit),
    claim(id, owner, leaseMs) {
      const lease = runs.claim(id, owner, leaseMs);
      if (lease !== undefined) told("claim", runs.find(id));
      return lease;
    },
    started(lease, run) {
      const held = runs.started(lease, run);
      if (held) told("started", runs.find(lease.id));
      return held;
    },
    deploys: (lease) => runs.deploys(lease),
    extend: (lease, leaseMs) => runs.extend(lease, leaseMs),
    complete(lease, conclusion, reason, reports) {
      const accepted = runs.complete(lease, conclusion, reason, reports);
      if (accepted) told("complete", runs.find(lease.id));
      return accepted;
    },
    recover(infraRetries) {
      const changed = runs.recover(infraRetries);
      for (const run of changed) told("recover", run);
      return changed;
    },
    approve: (id, by) => told("approve", runs.approve(id, by)),
    cancel: (id, reason) => told("cancel", runs.cancel(id, reason)),
    rerun: (id, failedOnly) => told("rerun", runs.rerun(id, failedOnly)),
    untold: (limit) => runs.untold(limit),
    tell: (untold, reports) => runs.tell(untold, reports),
  };
  return {
    store: {
      runs: watchedRuns,
      deliveries: {
        accept: (delivery) => deliveries.accept(delivery),
        acceptAll: (several) => deliveries.acceptAll(several),
        next: (except) => deliveries.next(except),
        waiting: () => deliveries.waiting(),
        settle(id, end, reportsOf) {
          const made = deliveries.settle(id, end, reportsOf);
          for (const run of made) told("settle", run);
          return made;
        },
        find: (guid) => deliveries.find(guid),
        get: (id) => deliveries.get(id),
        list: (limit) => deliveries.list(limit),
        prune: (beforeMs) => deliveries.prune(beforeMs),
      },
      outbox: store.outbox,
      notes: store.notes,
      [Symbol.dispose]: () => store[Symbol.dispose](),
    },
    changes: {
      subscribe(listener) {
        listeners.add(listener);
        return { [Symbol.dispose]: () => void listeners.delete(listener) };
      },
    },
  };
}
