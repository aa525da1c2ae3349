/**
 * How a model's server is asked by everything that this process plans at the same time: no more at once than it bears, again after
 * failures that pass, not at all for a while when it fails in a row, and for each step within a deadline. The time that a step
 * waits for its turn does not count: with a server that bears one request, the last of many waits for all others.
 */
import { BrokenCircuitError, ConsecutiveBreaker, DelegateBackoff, circuitBreaker, handleWhen, retry } from "cockatiel";
import { untilAborted } from "../../lib/deadline.ts";
import { AdaptiveLimit } from "./adaptive-limit.ts";
import { ModelFault } from "./model-fault.ts";

export interface PolicySettings {
  readonly concurrency: number;
  readonly deadlineMs: number;
  /** Before the second attempt, about; it doubles with each. */
  readonly firstBackoffMs: number;
  /** From 0 to 1. */
  readonly random: () => number;
}

export interface RequestPolicy {
  /** Requests that the server gets at once, now. */
  readonly limit: number;
  /** For one step: its requests share one deadline. */
  begin(): StepRequests;
}

export interface StepRequests {
  /** Rejects with a `ModelFault`, or the signal's reason. `call` may be called again, never after it answered. */
  run<T>(call: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>;
}

const ATTEMPTS = 6;
const MAX_BACKOFF_MS = 15_000;
const FAILURES_IN_A_ROW = 5;
const BROKEN_FOR_MS = 30_000;

export function createRequestPolicy({
  concurrency,
  deadlineMs,
  firstBackoffMs,
  random,
}: PolicySettings): RequestPolicy {
  const limit = new AdaptiveLimit(concurrency);
  /** Of requests that had the server for themselves: a server with too many at once is not broken. */
  const failures = new WeakSet<ModelFault>();
  let lastFailure = "";
  const breaker = circuitBreaker(
    handleWhen((error) => error instanceof ModelFault && failures.has(error)),
    { breaker: new ConsecutiveBreaker(FAILURES_IN_A_ROW), halfOpenAfter: BROKEN_FOR_MS },
  );

  async function attempt<T>(
    call: (signal: AbortSignal) => Promise<T>,
    withinMs: number,
    signal: AbortSignal,
  ): Promise<T> {
    const place = await limit.acquire(signal);
    let result: Parameters<typeof place.release>[0] = "other";
    try {
      const answer = await breaker.execute(async () => {
        try {
          return await within(call, withinMs, signal);
        } catch (error) {
          if (error instanceof ModelFault && isOfServer(error) && place.wasAlone) {
            failures.add(error);
            lastFailure = `${error.kind}: ${error.message}`;
          }
          throw error;
        }
      });
      result = "answered";
      return answer;
    } catch (error) {
      if (error instanceof BrokenCircuitError) {
        const text = `its server failed ${FAILURES_IN_A_ROW} times in a row and is not asked for ${BROKEN_FOR_MS / 1000} s (${lastFailure})`;
        throw new ModelFault("broken", text, { cause: error });
      }
      if (error instanceof ModelFault && error.isPressure) {
        result = "pressure";
        if (error.retryAfterMs !== undefined) limit.pauseFor(Math.min(error.retryAfterMs, deadlineMs));
      }
      throw error;
    } finally {
      place.release(result);
    }
  }

  return {
    get limit() {
      return limit.limit;
    },
    begin() {
      let leftMs = deadlineMs;
      return {
        async run(call, signal) {
          let attempts = 0;
          let delayMs = 0;
          const backoffMs = (): number => {
            const full = Math.min(MAX_BACKOFF_MS, firstBackoffMs * 2 ** (attempts - 1));
            return full / 2 + (full / 2) * random();
          };
          const mayRetry = (error: unknown): boolean => {
            if (!(error instanceof ModelFault) || !error.isRetryable) return false;
            delayMs = Math.max(error.retryAfterMs ?? 0, backoffMs());
            return delayMs < leftMs;
          };
          const again = retry(handleWhen(mayRetry), {
            maxAttempts: ATTEMPTS - 1,
            backoff: new DelegateBackoff(() => {
              leftMs -= delayMs;
              return delayMs;
            }),
          });
          const running = again.execute(async () => {
            attempts += 1;
            let spentMs = 0;
            try {
              return await attempt(
                async (inner) => {
                  const start = performance.now();
                  try {
                    return await call(inner);
                  } finally {
                    spentMs = performance.now() - start;
                  }
                },
                Math.max(1, leftMs),
                signal,
              );
            } finally {
              leftMs -= spentMs;
            }
          });
          return await untilAborted(running, signal);
        },
      };
    },
  };
}

/** One that is only busy is well. */
function isOfServer({ kind, isPressure }: ModelFault): boolean {
  return (isPressure && kind !== "busy") || kind === "protocol";
}

/** The call itself may not hear its signal. */
async function within<T>(call: (signal: AbortSignal) => Promise<T>, withinMs: number, signal: AbortSignal): Promise<T> {
  const late = AbortSignal.timeout(Math.ceil(withinMs));
  const either = AbortSignal.any([late, signal]);
  try {
    return await untilAborted(call(either), either);
  } catch (error) {
    if (late.aborted && !signal.aborted) {
      throw new ModelFault("late", `it took longer than ${Math.round(withinMs / 100) / 10} s`, { cause: error });
    }
    throw error;
  }
}
