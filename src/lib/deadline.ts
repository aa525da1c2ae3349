/**
 * Waiting that ends. The promise waited for goes on by itself: these only stop the waiting, and leave no timer and no listener.
 */

/** Settles as `promise` does, or as `late` says when `deadlineMs` pass first. */
export async function withDeadline<T>(promise: Promise<T>, deadlineMs: number, late: () => T): Promise<T> {
  const { promise: passed, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, deadlineMs);
  try {
    return await Promise.race([promise, passed.then(late)]);
  } finally {
    clearTimeout(timer);
  }
}

/** Settles as `promise` does, or rejects with the signal's reason when it is aborted first. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  try {
    // Both are in the race whatever happens: neither can be left to reject with nobody listening.
    return await Promise.race([aborted, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
