/** A server's store in a directory of its own, runs to put into it, and a host whose runs end when the test says so. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunOutcome } from "../engine/run-settings.ts";
import type { RunEvent } from "../store/run-event.ts";
import type { RunHost } from "./run-worker.ts";
import type { ServerLog } from "./server-log.ts";
import type { NewServerRun, ServerRun, ServerStore } from "./server-store.ts";
import { openServerStore } from "./sqlite-server-store.ts";

export interface StoreFixture extends Disposable {
  readonly directory: string;
  readonly store: ServerStore;
  /** The same file as another process sees it: leases of the first are over for it. */
  reopen(): ServerStore;
  add(run?: Partial<NewServerRun>): ServerRun;
}

/** `monotonic` in ms: leases are counted on it. */
export function storeFixture(monotonic: () => number = () => performance.now()): StoreFixture {
  const directory = mkdtempSync(join(tmpdir(), "hearth-server-"));
  const open = (): ServerStore => openServerStore(directory, { now: Date.now, monotonicMs: monotonic });
  const stores = [open()];
  const [store] = stores;
  if (store === undefined) throw new Error("no store");
  let guid = 0;
  return {
    directory,
    store,
    reopen() {
      const another = open();
      stores.push(another);
      return another;
    },
    add(run = {}) {
      const made = { ...aServerRun, ...run };
      const accepted = store.deliveries.accept({
        guid: `delivery-${(guid += 1)}`,
        event: made.event,
        repository: made.repository,
        identity: undefined,
        body: JSON.stringify({ repository: { full_name: made.repository } }),
        source: "api",
      });
      if (accepted.kind !== "accepted") throw new Error("not accepted");
      const [first] = store.deliveries.settle(accepted.id, { state: "planned", runs: [made] });
      if (first === undefined) throw new Error("no run");
      return first;
    },
    [Symbol.dispose]() {
      for (const opened of stores) opened[Symbol.dispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const aServerRun: NewServerRun = {
  repository: "octo-org/hello",
  workflow: ".github/workflows/ci.yml",
  event: "push",
  sha: "a".repeat(40),
  headSha: "a".repeat(40),
  ref: "refs/heads/main",
  actor: "octocat",
  pullRequest: undefined,
  trust: "trusted",
  declaredSteps: 1,
  inputs: {},
  waitsFor: undefined,
  refusal: undefined,
};

interface HostedRun {
  readonly id: number;
  readonly attempt: number;
  readonly stored: string;
  readonly cancelled: boolean;
  readonly killed: boolean;
  readonly disposed: boolean;
  end(conclusion: RunOutcome["conclusion"], error?: RunOutcome["error"]): void;
  deploy(): void;
  event(event: RunEvent): void;
}

export interface FakeHost extends RunHost {
  /** In the order in which they were started. */
  readonly runs: readonly HostedRun[];
  /** Resolves with the nth, from 0. */
  run(index: number): Promise<HostedRun>;
}

/** `endsOnCancel`: a cancel ends a run at once; else only a kill does. */
export function fakeHost({
  endsOnCancel = true,
  fails,
}: { endsOnCancel?: boolean; fails?: (run: ServerRun) => Error | undefined } = {}): FakeHost {
  const runs: HostedRun[] = [];
  return {
    runs,
    async run(index) {
      return await eventually(() => runs[index]);
    },
    async start(run, wish) {
      const failure = fails?.(run);
      if (failure !== undefined) throw failure;
      const ended = Promise.withResolvers<RunOutcome>();
      const state = { cancelled: false, killed: false, disposed: false };
      const end = (conclusion: RunOutcome["conclusion"], error?: RunOutcome["error"]): void => {
        const counts = { declared: 0, ran: 0, skipped: 0, notReached: 0, cancelled: 0 };
        ended.resolve({ conclusion, error, counts, unsupportedJobs: 0, durationMs: 1 });
      };
      const stored = `run${String(runs.length).padStart(8, "0")}`;
      runs.push({
        id: run.id,
        attempt: run.attempt,
        stored,
        get cancelled() {
          return state.cancelled;
        },
        get killed() {
          return state.killed;
        },
        get disposed() {
          return state.disposed;
        },
        end,
        deploy: wish.onDeploy,
        event: wish.onEvent,
      });
      return {
        run: stored,
        outcome: ended.promise,
        cancel() {
          state.cancelled = true;
          if (endsOnCancel) end("cancelled");
        },
        kill() {
          state.killed = true;
          end("cancelled");
        },
        [Symbol.asyncDispose]: async () => {
          state.disposed = true;
        },
      };
    },
  };
}

export const silentLog: ServerLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** What `look` finds, as soon as it finds it. Throws after a long time. */
export async function eventually<T>(look: () => T | undefined | false): Promise<T> {
  for (const deadlineMs = performance.now() + 15_000; performance.now() < deadlineMs;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it never came");
}
