import { array, assert, asyncProperty, boolean, constantFrom, record } from "fast-check";
import { describe, expect, it } from "vitest";
import { createConcurrencyGroups } from "./concurrency-groups.ts";

const REPOSITORY = "octo/hello";

describe("concurrency groups", () => {
  it("never have two holders, and leave nobody waiting for ever", async () => {
    const entrant = record({
      group: constantFrom("a", "A", "b"),
      cancelInProgress: boolean(),
      queue: constantFrom("single" as const, "max" as const),
    });
    await assert(
      asyncProperty(array(entrant, { maxLength: 12 }), async (entrants) => {
        const groups = createConcurrencyGroups();
        const holders = new Map<string, number>();
        const ends = await Promise.all(
          entrants.map(async ({ group, ...wish }) => {
            const key = group.toLowerCase();
            const superseded = new AbortController();
            const { signal } = new AbortController();
            const request = { repository: REPOSITORY, group, ...wish, signal, onCancel: () => superseded.abort() };
            const hold = await groups.enter(request, () => undefined);
            if (hold === undefined) return superseded.signal.aborted ? "cancelled" : "lost";
            holders.set(key, (holders.get(key) ?? 0) + 1);
            expect(holders.get(key)).toBe(1);
            await Promise.resolve();
            holders.set(key, 0);
            hold[Symbol.dispose]();
            return "held";
          }),
        );
        expect(ends).not.toContain("lost");
        // The last of a group is never superseded by an older one.
        const last = (name: string): number => entrants.findLastIndex(({ group }) => group.toLowerCase() === name);
        const newest = [last("a"), last("b")].filter((index) => index >= 0);
        expect(newest.map((index) => ends[index])).toEqual(newest.map(() => "held"));
      }),
    );
  });

  it("are apart for two repositories", async () => {
    const groups = createConcurrencyGroups();
    const request = { group: "g", cancelInProgress: false, queue: "single", onCancel: () => undefined } as const;
    const { signal } = new AbortController();
    await groups.enter({ ...request, signal, repository: "a/x" }, () => undefined);
    const other = await groups.enter({ ...request, signal, repository: "b/x" }, () => undefined);
    expect(other).toBeDefined();
  });

  it("let one that is cancelled leave the line, and the next gets its turn", async () => {
    const groups = createConcurrencyGroups();
    const request = { repository: REPOSITORY, group: "g", cancelInProgress: false, queue: "max" } as const;
    const enter = (signal: AbortSignal) =>
      groups.enter({ ...request, signal, onCancel: () => undefined }, () => undefined);
    const never = new AbortController().signal;
    const cancelled = new AbortController();
    const first = await enter(never);
    const second = enter(cancelled.signal);
    const third = enter(never);
    cancelled.abort();
    expect(await second).toBeUndefined();
    first?.[Symbol.dispose]();
    expect(await third).toBeDefined();
  });
});
