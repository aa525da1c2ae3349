import { describe, expect, it } from "vitest";
import { nextRun } from "./next-run.ts";

const NEW_YORK = "America/New_York";

describe("nextRun", () => {
  it.each([
    ["every day at a time", "30 5 * * *", undefined, "2026-11-22T05:30:00Z", "2026-11-23T05:30:00Z"],
    ["a list and a range", "15 4,8-9 * * *", undefined, "2026-11-22T04:15:00Z", "2026-11-22T08:15:00Z"],
    ["steps from a number on", "20/15 * * * *", undefined, "2026-11-22T04:36:00Z", "2026-11-22T04:50:00Z"],
    ["names of months and days", "0 0 * JAN mon", undefined, "2026-11-22T00:00:00Z", "2027-01-04T00:00:00Z"],
    [
      "a day of the month or of the week, as POSIX",
      "0 0 13 * 5",
      undefined,
      "2026-11-09T00:00:00Z",
      "2026-11-13T00:00:00Z",
    ],
    ["the other of the two", "0 0 13 * 5", undefined, "2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"],
    ["a leap day", "0 0 29 2 *", undefined, "2026-11-22T00:00:00Z", "2028-02-29T00:00:00Z"],
    ["a time zone", "0 9 * * *", "Asia/Kolkata", "2026-11-22T00:00:00Z", "2026-11-22T03:30:00Z"],
    [
      "a skipped time moves to the end of the gap",
      "30 2 * * *",
      NEW_YORK,
      "2027-03-13T12:00:00Z",
      "2027-03-14T07:00:00Z",
    ],
    ["a doubled time comes once", "30 1 * * *", NEW_YORK, "2027-11-07T05:30:00Z", "2027-11-08T06:30:00Z"],
  ])("knows %s", (_, cron, timezone, after, next) => {
    expect(nextRun(cron, timezone, new Date(after))).toEqual(new Date(next));
  });

  it("knows that some days never come", () => {
    expect(nextRun("0 0 31 2 *", undefined, new Date(0))).toBeUndefined();
  });

  it("gives nothing for what is no schedule or no time zone", () => {
    expect(nextRun("@daily", undefined, new Date(0))).toBeUndefined();
    expect(nextRun("0 0 * *", undefined, new Date(0))).toBeUndefined();
    expect(nextRun("0 0 * * *", "Mars/Olympus", new Date(0))).toBeUndefined();
  });
});
