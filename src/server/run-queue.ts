/**
 * Which queued run is next: fair between repositories, so many at a time. Claims a run under a lease and gives it to a worker;
 * takes back those whose lease is over, whoever had them (SECURITY-RELIABILITY 4.1-3, F03). The store is the truth: what another
 * process queues or cancels is found within `POLL_MS`, what this one does at once.
 */
import type { ServerRun } from "./server-store.ts";
import { workOn } from "./run-worker.ts";
import type { RunWorker, WorkerParts } from "./run-worker.ts";
import type { RunChanges } from "./watched-store.ts";

export interface RunQueueParts extends WorkerParts {
  readonly changes: RunChanges;
  /** Runs at the same time. */
  readonly concurrency: number;
  /** Names this process in the store. */
  readonly owner: string;
  /** How often a run is begun again whose process was lost. */
  readonly infraRetries: number;
}

export interface RunQueue {
  running(): number;
  /** Takes no more. Safe to call again. */
  close(): void;
  /**
   * Takes no more, and resolves when none is running: after the grace they are cancelled with the reason, after as much
   * again killed. `hurry` skips what is left of both.
   */
  drain(graceMs: number, reason: string, hurry: AbortSignal): Promise<void>;
}

const POLL_MS = 1_000;
const RECOVER_MS = 10_000;
const LOOK_AHEAD = 100;

export function startRunQueue(parts: RunQueueParts): RunQueue {
  const { store, changes, concurrency, owner, leaseMs, infraRetries, log } = parts;
  const workers = new Map<number, RunWorker>();
  const turns = new Turns();
  let open = true;
  let looking = false;
  let again = false;

  function fill(): void {
    if (looking) {
      again = true;
      return;
    }
    looking = true;
    try {
      do {
        again = false;
        while (hasPlace() && claimNext());
      } while (again);
    } catch (error) {
      log.warn("queue not read", { error: error instanceof Error ? error.message : String(error) });
    } finally {
      looking = false;
    }
  }

  function hasPlace(): boolean {
    return open && workers.size < concurrency;
  }

  function claimNext(): boolean {
    // One of a run that is being finished here waits until its worker is gone.
    const waiting = store.runs.queued(LOOK_AHEAD).filter(({ id }) => !workers.has(id));
    for (const run of turns.inOrder(waiting, [...workers.values()])) {
      const lease = store.runs.claim(run.id, owner, leaseMs);
      if (lease === undefined) continue;
      turns.took(run.repository);
      const worker = workOn(store.runs.find(run.id) ?? run, lease, parts);
      workers.set(run.id, worker);
      void worker.ended.then(() => {
        workers.delete(run.id);
        fill();
      });
      return true;
    }
    return false;
  }

  function recover(): void {
    if (!open) return;
    try {
      for (const run of store.runs.recover(infraRetries)) {
        log.warn("run recovered", { run: run.id, attempt: run.attempt, state: run.state, why: run.reason });
        const worker = workers.get(run.id);
        // The next attempt may have been taken already, by who was told of it.
        const isNext = run.state !== "completed" && worker?.attempt === run.attempt;
        if (!isNext) worker?.lose("its lease is over");
      }
    } catch (error) {
      log.warn("runs not recovered", { error: error instanceof Error ? error.message : String(error) });
    }
    fill();
  }

  const subscription = changes.subscribe((run) => {
    if (run.cancelRequested) workers.get(run.id)?.cancel(run.reason ?? "it was cancelled");
    if (run.state === "queued") fill();
  });
  const polling = setInterval(fill, POLL_MS);
  const recovering = setInterval(recover, RECOVER_MS);
  recover();

  function close(): void {
    open = false;
    clearInterval(polling);
    clearInterval(recovering);
  }

  return {
    running: () => workers.size,
    close,
    async drain(graceMs, reason, hurry) {
      close();
      const ended = Promise.all([...workers.values()].map((worker) => worker.ended));
      const isOver = await within(ended, graceMs, hurry);
      if (!isOver) {
        for (const worker of workers.values()) worker.cancel(reason);
        if (!(await within(ended, graceMs, hurry))) for (const worker of workers.values()) worker.kill(reason);
        await ended;
      }
      subscription[Symbol.dispose]();
    },
  };
}

/** Of repositories: the one with the fewest runs going on is next, and among those the one that was served longest ago. */
class Turns {
  readonly #served = new Map<string, number>();
  #count = 0;

  took(repository: string): void {
    this.#served.set(repository, (this.#count += 1));
  }

  inOrder(waiting: readonly ServerRun[], working: readonly RunWorker[]): readonly ServerRun[] {
    const busy = Map.groupBy(working, ({ repository }) => repository);
    const rank = ({ repository }: ServerRun): readonly [number, number] => [
      busy.get(repository)?.length ?? 0,
      this.#served.get(repository) ?? 0,
    ];
    return waiting.toSorted((left, right) => {
      const [[a, c], [b, d]] = [rank(left), rank(right)];
      return a - b || c - d || left.id - right.id;
    });
  }
}

async function within(ended: Promise<unknown>, limitMs: number, hurry: AbortSignal): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<boolean>((resolve) => {
    const stop = (): void => resolve(false);
    timer = setTimeout(stop, limitMs);
    if (hurry.aborted) stop();
    else hurry.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([ended.then(() => true), over]);
  } finally {
    clearTimeout(timer);
  }
}
