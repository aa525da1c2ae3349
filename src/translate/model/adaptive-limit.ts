/**
 * How many requests a server gets at once: as many as it bears. The limit halves when the server shows that it has too many, and
 * grows by one after a long row of answers. Places are given in the order they were asked for.
 */
import { untilAborted } from "../../lib/deadline.ts";

/** So many answers in a row for each place that there is. */
const ANSWERS_PER_STEP = 8;

export interface Place {
  /** Nobody else had a place at the same time. */
  readonly wasAlone: boolean;
  /** Gives it back. Safe to call again. */
  release(result: "answered" | "pressure" | "other"): void;
}

export class AdaptiveLimit {
  readonly #max: number;
  #limit: number;
  #answers = 0;
  readonly #running = new Set<{ alone: boolean }>();
  readonly #waiting: (() => void)[] = [];
  #pausedUntilMs = 0;
  #pause: NodeJS.Timeout | undefined;

  constructor(max: number) {
    this.#max = max;
    this.#limit = max;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Rejects with the signal's reason. */
  async acquire(signal: AbortSignal): Promise<Place> {
    signal.throwIfAborted();
    if (!this.#isFree() || this.#waiting.length > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      try {
        await untilAborted(promise, signal);
      } catch (error) {
        const at = this.#waiting.indexOf(resolve);
        // It may have been called in the same moment: then the turn passes on.
        if (at === -1) this.#called -= 1;
        else this.#waiting.splice(at, 1);
        this.#callNext();
        throw error;
      }
      this.#called -= 1;
    }
    return this.#enter();
  }

  /** Nobody gets a place for so long: what a server asked for. */
  pauseFor(milliseconds: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, Date.now() + milliseconds);
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => this.#callNext(), Math.max(0, this.#pausedUntilMs - Date.now()) + 1);
  }

  /** Those that were called and have not entered yet. */
  #called = 0;

  #isFree(): boolean {
    return this.#running.size + this.#called < this.#limit && Date.now() >= this.#pausedUntilMs;
  }

  #callNext(): void {
    while (this.#isFree()) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#called += 1;
      next();
    }
  }

  #enter(): Place {
    const own = { alone: this.#running.size === 0 };
    for (const other of this.#running) other.alone = false;
    this.#running.add(own);
    return {
      get wasAlone() {
        return own.alone;
      },
      release: (result) => {
        if (!this.#running.delete(own)) return;
        this.#adapt(result);
        this.#callNext();
      },
    };
  }

  #adapt(result: "answered" | "pressure" | "other"): void {
    if (result === "other") return;
    if (result === "pressure") {
      this.#limit = Math.max(1, Math.floor(this.#limit / 2));
      this.#answers = 0;
      return;
    }
    this.#answers += 1;
    if (this.#answers < this.#limit * ANSWERS_PER_STEP || this.#limit >= this.#max) return;
    this.#limit += 1;
    this.#answers = 0;
  }
}
