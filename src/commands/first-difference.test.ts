import * as fc from "fast-check";
import { expect, it } from "vitest";
import { firstDifference } from "./first-difference.ts";

it("is the first line that differs by more than times and addresses", () => {
  expect(firstDifference(["a 12:00:01", "ran in 1.5 s"], ["a 12:00:02", "ran in 2.25s"])).toBeUndefined();
  expect(firstDifference(["at 0x7f01", "same", "b"], ["at 0x7f02", "same", "c"])).toBe(2);
  expect(firstDifference(["one"], ["one", "two"])).toBe(1);
  expect(firstDifference(["2026-11-22T10:00:00.123Z x"], ["2026-11-23 11:00:00 y"])).toBe(0);
});

it("is none of an output and itself, and never beyond the longer one", () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.array(fc.string()), (one, other) => {
      expect(firstDifference(one, one)).toBeUndefined();
      const found = firstDifference(one, other);
      expect(found ?? -1).toBeLessThan(Math.max(one.length, other.length, 1));
      expect(found).toBe(firstDifference(other, one));
    }),
  );
});
