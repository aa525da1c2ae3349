/**
 * Runs that wait for a place. Repositories take turns, and within one repository the order is that of coming: so one with a
 * hundred runs waits as long as it must, and one with a single run waits for at most one run of each other repository. Pure.
 */
import { EngineError } from "../lib/engine-error.ts";

export interface FairQueue<T> {
  readonly size: number;
  /** Throws QUEUE_FULL. The answer takes it out again; false: it was not there any more. */
  add(repository: string, item: T): () => boolean;
  /** The next one, or undefined when nothing waits. */
  take(): T | undefined;
  /** In the order in which they would be taken. */
  list(): readonly T[];
}

export function createFairQueue<T>({ maxLength }: { readonly maxLength: number }): FairQueue<T> {
  /** Of each repository with something waiting, in the order of their turns: a map keeps the order of insertion. */
  const lines = new Map<string, { readonly item: T }[]>();
  let size = 0;

  function next(from: Map<string, { readonly item: T }[]>): { readonly item: T } | undefined {
    const [turn] = from;
    if (turn === undefined) return undefined;
    const [repository, line] = turn;
    const [first, ...rest] = line;
    from.delete(repository);
    // Its next turn comes after everybody else's.
    if (rest.length > 0) from.set(repository, rest);
    return first;
  }

  return {
    get size() {
      return size;
    },
    add(repository, item) {
      if (size >= maxLength) {
        throw new EngineError("QUEUE_FULL", `Cannot take one more run: ${maxLength} are waiting`, {
          hint: "Try again when some have ended.",
        });
      }
      const entry = { item };
      lines.set(repository, [...(lines.get(repository) ?? []), entry]);
      size += 1;
      return () => {
        const line = lines.get(repository);
        if (line?.includes(entry) !== true) return false;
        size -= 1;
        const rest = line.filter((other) => other !== entry);
        if (rest.length > 0) lines.set(repository, rest);
        else lines.delete(repository);
        return true;
      };
    },
    take() {
      const entry = next(lines);
      if (entry === undefined) return undefined;
      size -= 1;
      return entry.item;
    },
    list() {
      const copy = new Map(lines);
      return Array.from({ length: size }, () => next(copy)).flatMap((entry) =>
        entry === undefined ? [] : [entry.item],
      );
    },
  };
}
