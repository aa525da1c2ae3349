/**
 * A time limit counts whole minutes, as on GitHub, and nobody wants to wait for one: in these tests timers of exactly
 * `SHORT_MINUTES` end soon. No other timer of the project has that length.
 */
import { afterAll, beforeAll, vi } from "vitest";

/** What cases write as `timeout-minutes`. */
const SHORT_MINUTES = 7;
const SHORT_MS = 400;

export function shortenMinutes(): void {
  const { setTimeout } = globalThis;
  beforeAll(() => {
    const shortened = (callback: () => void, delayMs: number, ...given: unknown[]): NodeJS.Timeout =>
      Reflect.apply(setTimeout, globalThis, [
        callback,
        delayMs === SHORT_MINUTES * 60_000 ? SHORT_MS : delayMs,
        ...given,
      ]);
    vi.stubGlobal("setTimeout", Object.assign(shortened, setTimeout));
  });
  afterAll(() => void vi.unstubAllGlobals());
}
