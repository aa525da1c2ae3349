/** A signal that is aborted after so many minutes; disposal lets go of the timer. */

export interface TimeLimit extends Disposable {
  readonly signal: AbortSignal;
}

/** Node's timers take no more; GitHub's longest job is 35 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Whole minutes, as on GitHub; none, and less than one, are no limit. `usedMs` of it are over already. */
export function timeLimit(minutes: number, usedMs = 0): TimeLimit {
  const controller = new AbortController();
  const limitMs = Math.min(Math.floor(minutes) * 60_000, MAX_TIMER_MS);
  const timer = limitMs > 0 ? setTimeout(() => controller.abort(), Math.max(limitMs - usedMs, 1)) : undefined;
  return { signal: controller.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}
