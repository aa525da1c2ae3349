/**
 * The events of runs as they come, for any number of readers, each at its own pace. An event is known by its place in the run's
 * file, from 1, so a reader that was cut off goes on where it was. Of a run that goes on the latest events are in memory, more of
 * them than the file's writer holds back; who is slower than that reads the file again, and nobody's slowness costs memory.
 */
import type { RunEvent } from "../store/run-event.ts";
import type { RunStore } from "../store/run-store.ts";

export interface PlacedEvent {
  readonly place: number;
  readonly event: RunEvent;
}

export interface RunFeed {
  /** Every event of a run, in order, after the store had it. */
  push(run: string, event: RunEvent): void;
  /** What comes after that place; ends with the run, or where nobody writes it any more. Throws as the store's `read`. */
  follow(run: string, after: number, signal: AbortSignal): AsyncGenerator<PlacedEvent>;
}

/** Four of the writer's batches. */
const KEPT_CHARACTERS = 1024 * 1024;
const KEPT_EVENTS = 20_000;

export function createRunFeed(store: Pick<RunStore, "read">): RunFeed {
  const live = new Map<string, Recent>();

  return {
    push(run, event) {
      const recent = live.get(run) ?? new Recent();
      live.set(run, recent);
      recent.add(event);
      // The writer has put everything on the disk before it says this.
      if (event.type === "run_completed") live.delete(run);
    },
    async *follow(run, after, signal) {
      let next = after + 1;
      for (;;) {
        // Looked up before the file is read: what it does not have yet is in memory.
        const recent = live.get(run);
        let place = 0;
        for await (const event of store.read(run)) {
          if (signal.aborted) return;
          place += 1;
          if (place < next) continue;
          yield { place, event };
          next = place + 1;
          if (event.type === "run_completed") return;
        }
        if (recent === undefined) return;
        while (next >= recent.first) {
          if (signal.aborted) return;
          const event = recent.at(next);
          if (event === undefined) {
            await recent.more(signal);
            continue;
          }
          yield { place: next, event };
          next += 1;
          if (event.type === "run_completed") return;
        }
      }
    },
  };
}

class Recent {
  #events: RunEvent[] = [];
  #characters = 0;
  #waiting: (() => void)[] = [];
  /** Place of the oldest that is still here. */
  first = 1;

  add(event: RunEvent): void {
    this.#events.push(event);
    this.#characters += sizeOf(event);
    if (this.#characters > KEPT_CHARACTERS || this.#events.length > KEPT_EVENTS) this.#forget();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  at(place: number): RunEvent | undefined {
    return this.#events[place - this.first];
  }

  /** Resolves at the next event, or at once when it is aborted. */
  more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      if (signal.aborted) return resolve();
      this.#waiting.push(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  /** Half of it, so that it is not done for every event. The newest stays, however long it is. */
  #forget(): void {
    let forgotten = 0;
    while (this.#characters > KEPT_CHARACTERS / 2 && forgotten < this.#events.length - 1) {
      const event = this.#events[forgotten];
      if (event !== undefined) this.#characters -= sizeOf(event);
      forgotten += 1;
    }
    const surplus = Math.max(forgotten, this.#events.length - KEPT_EVENTS);
    this.#events = this.#events.slice(surplus);
    this.first += surplus;
  }
}

/** What is long in an event is text that somebody printed. */
function sizeOf(event: RunEvent): number {
  const text = event.type === "log" ? event.line : event.type === "step_summary" ? event.markdown : "";
  return text.length + 200;
}
