import { expect, it } from "vitest";
import { formatDuration } from "./duration.ts";

it.each([
  [0, "0.0s"],
  [-5, "0.0s"],
  [12_345, "12.3s"],
  [59_940, "59.9s"],
  [59_960, "1m 00s"],
  [125_000, "2m 05s"],
  [3_599_600, "1h 00m"],
  [4_020_000, "1h 07m"],
])("%d ms is %s", (durationMs, text) => {
  expect(formatDuration(durationMs)).toBe(text);
});
