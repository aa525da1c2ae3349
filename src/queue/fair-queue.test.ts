import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFairQueue } from "./fair-queue.ts";

interface Run {
  readonly repository: string;
  readonly number: number;
}

const repositories = fc.constantFrom("a", "b", "c", "d");
/** Adds to a repository, takes the next, or cancels the nth that was ever added. */
const moves = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("add" as const), repository: repositories }),
    fc.record({ kind: fc.constant("take" as const) }),
    fc.record({ kind: fc.constant("cancel" as const), which: fc.nat(40) }),
  ),
  { maxLength: 80 },
);

describe("a fair queue", () => {
  it("gives every run once, in the order of its repository, none that was cancelled, and loses none", () => {
    fc.assert(
      fc.property(moves, (sequence) => {
        const queue = createFairQueue<Run>({ maxLength: 1_000 });
        const added: Run[] = [];
        const cancels: (() => boolean)[] = [];
        const cancelled = new Set<Run>();
        const taken: Run[] = [];
        const announced: (Run | undefined)[] = [];
        const given: (Run | undefined)[] = [];
        for (const move of sequence) {
          if (move.kind === "add") {
            const run = { repository: move.repository, number: added.length };
            added.push(run);
            cancels.push(queue.add(move.repository, run));
          } else if (move.kind === "take") {
            announced.push(queue.list()[0]);
            const run = queue.take();
            given.push(run);
            if (run !== undefined) taken.push(run);
          } else {
            const run = added[move.which];
            if (run !== undefined && cancels[move.which]?.() === true) cancelled.add(run);
          }
          expect(queue.size).toBe(added.length - taken.length - cancelled.size);
        }
        for (let run = queue.take(); run !== undefined; run = queue.take()) taken.push(run);
        expect(given).toEqual(announced);
        expect(new Set(taken).size).toBe(taken.length);
        expect(new Set([...taken, ...cancelled])).toEqual(new Set(added));
        expect(taken.filter((run) => cancelled.has(run))).toEqual([]);
        for (const name of "abcd") {
          const numbers = taken.filter(({ repository }) => repository === name).map(({ number }) => number);
          expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
        }
      }),
    );
  });

  it("starves nobody: while a repository waits, no other one is served twice before it", () => {
    fc.assert(
      fc.property(moves, (sequence) => {
        const queue = createFairQueue<string>({ maxLength: 1_000 });
        /** Of each repository that waits: who was served since its last turn. */
        const since = new Map<string, string[]>();
        for (const move of sequence) {
          if (move.kind === "add") {
            queue.add(move.repository, move.repository);
            if (!since.has(move.repository)) since.set(move.repository, []);
          }
          if (move.kind !== "take") continue;
          const served = queue.take();
          if (served === undefined) continue;
          for (const [waiting, others] of since) if (waiting !== served) others.push(served);
          if (queue.list().includes(served)) since.set(served, []);
          else since.delete(served);
          for (const others of since.values()) expect(new Set(others).size).toBe(others.length);
        }
      }),
    );
  });

  it("serves the one run of a repository second, whatever the other one has waiting", () => {
    const queue = createFairQueue<string>({ maxLength: 1_000 });
    for (let run = 1; run <= 100; run++) queue.add("busy", `busy ${run}`);
    queue.add("small", "small 1");
    expect(queue.list().slice(0, 3)).toEqual(["busy 1", "small 1", "busy 2"]);
  });

  it("takes no more than it was told to, and says so by name", () => {
    const queue = createFairQueue<number>({ maxLength: 2 });
    const cancel = queue.add("a", 1);
    queue.add("b", 2);
    expect(() => queue.add("c", 3)).toThrow(expect.objectContaining({ code: "QUEUE_FULL" }));
    expect([cancel(), cancel()]).toEqual([true, false]);
    queue.add("c", 3);
    expect([queue.take(), queue.take(), queue.take()]).toEqual([2, 3, undefined]);
  });
});
