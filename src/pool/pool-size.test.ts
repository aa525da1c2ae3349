import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NO_ARRIVALS, arrived, poolSize, rateAt } from "./pool-size.ts";
import type { PoolSizeFacts } from "./pool-size.ts";

const facts: fc.Arbitrary<PoolSizeFacts> = fc.record({
  min: fc.nat(20),
  max: fc.nat(20),
  arrivalsPerSecond: fc.double({ min: 0, max: 100, noNaN: true }),
  provisionSeconds: fc.double({ min: 0, max: 60, noNaN: true }),
  freeMib: fc.integer({ min: -10_000, max: 1_000_000 }),
  machineMib: fc.integer({ min: 1, max: 100_000 }),
});

describe("the size of the pool", () => {
  it("never passes its maximum or half of the free memory, and is never negative", () => {
    fc.assert(
      fc.property(facts, (given) => {
        const size = poolSize(given);
        expect(Number.isInteger(size)).toBe(true);
        expect(size).toBeGreaterThanOrEqual(0);
        expect(size).toBeLessThanOrEqual(given.max);
        expect(size * given.machineMib * 2).toBeLessThanOrEqual(Math.max(0, given.freeMib));
      }),
    );
  });

  it("reaches its minimum wherever memory and maximum allow", () => {
    fc.assert(
      fc.property(facts, (given) => {
        const size = poolSize({ ...given, freeMib: 1e12 });
        expect(size).toBeGreaterThanOrEqual(Math.min(given.min, given.max));
      }),
    );
  });

  it("grows with arrivals, with the time one takes, and with memory; never shrinks with them", () => {
    fc.assert(
      fc.property(facts, fc.double({ min: 0, max: 10, noNaN: true }), (given, more) => {
        const size = poolSize(given);
        expect(poolSize({ ...given, arrivalsPerSecond: given.arrivalsPerSecond + more })).toBeGreaterThanOrEqual(size);
        expect(poolSize({ ...given, provisionSeconds: given.provisionSeconds + more })).toBeGreaterThanOrEqual(size);
        expect(poolSize({ ...given, freeMib: given.freeMib + 1000 * more })).toBeGreaterThanOrEqual(size);
      }),
    );
  });

  it("keeps what comes while one is made", () => {
    const busy = { min: 0, max: 10, freeMib: 1e6, machineMib: 1024 };
    expect(poolSize({ ...busy, arrivalsPerSecond: 0.5, provisionSeconds: 5 })).toBe(3);
    expect(poolSize({ ...busy, arrivalsPerSecond: 1 / 60, provisionSeconds: 5 })).toBe(1);
    // One in a quarter of an hour would find a machine that is too old.
    expect(poolSize({ ...busy, arrivalsPerSecond: 1 / 900, provisionSeconds: 5 })).toBe(0);
  });
});

describe("the rate of arrivals", () => {
  it("is about that of steady arrivals, and falls when nobody comes", () => {
    let arrivals = NO_ARRIVALS;
    for (let atMs = 0; atMs <= 600_000; atMs += 2_000) arrivals = arrived(arrivals, atMs);
    expect(rateAt(arrivals, 600_000)).toBeGreaterThan(0.45);
    expect(rateAt(arrivals, 600_000)).toBeLessThan(0.55);
    expect(rateAt(arrivals, 1_200_000)).toBeLessThan(0.001);
  });

  it("is finite and never negative, also when the clock steps back", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1e9 }), { maxLength: 50 }), fc.nat(1e9), (times, nowMs) => {
        const rate = rateAt(times.reduce(arrived, NO_ARRIVALS), nowMs);
        expect(rate).toBeGreaterThanOrEqual(0);
        expect(rate).toBeLessThanOrEqual(times.length);
      }),
    );
  });
});
