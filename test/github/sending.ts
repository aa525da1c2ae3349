/** A sender at work on a store in memory against a played GitHub; time is its own, ten thousand times faster than ours. */
import { setTimeout as sleepFor } from "node:timers/promises";
import { createMemoryServerStore } from "../../src/server/memory-server-store.ts";
import type { NewReport, ServerStore } from "../../src/server/server-store.ts";
import { dialTcp, resolveBySystem } from "../../src/service/dial.ts";
import { createGithubClient } from "../../src/github/client.ts";
import { sendReports } from "../../src/github/send-reports.ts";

export const TOKEN = "ghp_the-token-of-these-tests";

export interface Sending {
  readonly store: ServerStore;
  readonly abandoned: string[];
  readonly faults: unknown[];
  readonly now: () => number;
  put(...reports: readonly NewReport[]): void;
  /** Until nothing is left to be sent. */
  settled(): Promise<void>;
  /** As when the process ends in the middle of things, and begins anew. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface SendingOptions {
  readonly apiUrl: string;
  readonly deadlineMs?: number;
  /** Changes what the sender sees of the store. */
  readonly seen?: (store: ServerStore) => ServerStore;
}

export function startSending({ apiUrl, deadlineMs = 5_000, seen = (store) => store }: SendingOptions): Sending {
  let nowMs = Date.UTC(2026, 10, 22);
  const now = (): number => nowMs;
  const store = createMemoryServerStore({ now, monotonicMs: now });
  const way = { resolve: resolveBySystem, dial: dialTcp, upstream: undefined };
  const credentials = { kind: "token", token: TOKEN } as const;
  const abandoned: string[] = [];
  const faults: unknown[] = [];
  let ids = 0;
  const start = () => {
    const stop = new AbortController();
    const ended = sendReports(
      {
        ...seen(store),
        client: createGithubClient({ apiUrl, credentials, way, deadlineMs, pace: "none", now }),
        now,
        random: () => 0.5,
        newId: () => `mark-${(ids += 1)}`,
        onAbandoned: ({ key }, error) => abandoned.push(`${key}: ${error}`),
        onFault: (error) => faults.push(error),
        async sleep(waitMs, signal) {
          await sleepFor(1, undefined, { signal });
          nowMs += 10 * waitMs;
        },
      },
      stop.signal,
    );
    return { stop, ended };
  };
  let running = start();
  const stop = async (): Promise<void> => {
    running.stop.abort(new Error("the process ends"));
    await running.ended;
  };
  return {
    store,
    abandoned,
    faults,
    now,
    put: (...reports) => reports.forEach((report) => store.outbox.put(report)),
    async settled() {
      while (store.outbox.size() > 0) await sleepFor(5);
    },
    async restart() {
      await stop();
      running = start();
    },
    stop,
  };
}
