import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { timeLimit } from "./time-limit.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Undefined: not within a day. */
function endsAfterMs(minutes: number, usedMs?: number): number | undefined {
  using limit = timeLimit(minutes, usedMs);
  const fromMs = Date.now();
  let atMs: number | undefined;
  limit.signal.addEventListener("abort", () => (atMs = Date.now() - fromMs));
  vi.advanceTimersByTime(86_400_000);
  return atMs;
}

it.each([
  [2.9, 0, 120_000],
  [2, 50_000, 70_000],
  [2, 500_000, 1],
  [0.5, 50_000, undefined],
  [0, 50_000, undefined],
])("%d minutes, of which %d ms are over, end after %s ms", (minutes, usedMs, expected) => {
  expect(endsAfterMs(minutes, usedMs)).toBe(expected);
});
