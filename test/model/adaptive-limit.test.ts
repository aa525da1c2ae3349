import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AdaptiveLimit } from "../../src/translate/model/adaptive-limit.ts";
import type { Place } from "../../src/translate/model/adaptive-limit.ts";
import { NEVER } from "./asking.ts";

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a limit that adapts", () => {
  it("halves when there is too much, and grows by one after a long row of answers", async () => {
    const limit = new AdaptiveLimit(8);
    for (const expected of [4, 2, 1, 1]) {
      (await limit.acquire(NEVER)).release("pressure");
      expect(limit.limit).toBe(expected);
    }
    const grown = [];
    for (let answer = 0; answer < 24; answer += 1) {
      (await limit.acquire(NEVER)).release("answered");
      grown.push(limit.limit);
    }
    expect(grown).toEqual([...Array(7).fill(1), ...Array(16).fill(2), 3]);
  });

  it("gives no place while a server has asked to wait, and then all", async () => {
    const limit = new AdaptiveLimit(2);
    limit.pauseFor(50);
    const start = performance.now();
    await Promise.all([limit.acquire(NEVER), limit.acquire(NEVER)]);
    expect(performance.now() - start).toBeGreaterThan(45);
  });

  it("never gives more places than there are, in whatever order they are taken, given back and given up, and loses none", async () => {
    const action = fc.constantFrom("take", "take and give up", "give back", "give up", "too much");
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), async (actions, max) => {
        const limit = new AdaptiveLimit(max);
        const held: Place[] = [];
        const waiting = new Set<AbortController>();
        let lost = 0;
        const take = (): AbortController => {
          const stop = new AbortController();
          waiting.add(stop);
          limit
            .acquire(stop.signal)
            .then((place) => held.push(place))
            .catch(() => (lost += 1))
            .finally(() => waiting.delete(stop));
          return stop;
        };
        for (const each of actions) {
          const before = held.length;
          if (each === "take") take();
          if (each === "take and give up") take().abort();
          if (each === "give back") held.shift()?.release("answered");
          if (each === "too much") held.shift()?.release("pressure");
          // In the same turn as a place may be given.
          if (each === "give up") for (const stop of [...waiting].slice(0, 1)) stop.abort();
          await settle();
          expect(held.length).toBeLessThanOrEqual(Math.max(before, limit.limit));
        }
        while (held.length + waiting.size > 0) {
          held.shift()?.release("other");
          await settle();
        }
        const places = await Promise.all(Array.from({ length: limit.limit }, () => limit.acquire(NEVER)));
        expect(places).toHaveLength(limit.limit);
      }),
      { numRuns: 200 },
    );
  });
});
