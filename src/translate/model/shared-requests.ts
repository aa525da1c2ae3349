/** The same question at the same time is asked once. It is given up when everybody who waits for it has gone. */
import { untilAborted } from "../../lib/deadline.ts";

interface Running<T> {
  readonly promise: Promise<T>;
  readonly stop: AbortController;
  waiting: number;
}

export class SharedRequests<T> {
  readonly #running = new Map<string, Running<T>>();

  /** Rejects with the signal's reason, or as `ask` does. */
  async run(key: string, ask: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const running = this.#running.get(key) ?? this.#start(key, ask);
    running.waiting += 1;
    try {
      return await untilAborted(running.promise, signal);
    } finally {
      running.waiting -= 1;
      if (running.waiting === 0) {
        this.#forget(key, running);
        running.stop.abort();
      }
    }
  }

  isRunning(key: string): boolean {
    return this.#running.has(key);
  }

  #start(key: string, ask: (signal: AbortSignal) => Promise<T>): Running<T> {
    const stop = new AbortController();
    const running: Running<T> = { promise: ask(stop.signal), stop, waiting: 0 };
    this.#running.set(key, running);
    const forget = (): void => this.#forget(key, running);
    running.promise.then(forget, forget);
    return running;
  }

  #forget(key: string, running: Running<T>): void {
    if (this.#running.get(key) === running) this.#running.delete(key);
  }
}
