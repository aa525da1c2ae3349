import { expect, test } from "vitest";
import { intervalMinutes, isCron, isTimeZone } from "./cron.ts";

test.each(["* * * * *", "0 12 * * 1-5", "*/15 0-6/2 1,15 JAN-mar sun,6", "5/10 * * dec *", "30 5 31 12 0"])(
  "'%s' is a schedule",
  (cron) => {
    expect(isCron(cron)).toBe(true);
  },
);

test.each([
  "",
  "* * * *",
  "* * * * * *",
  "60 * * * *",
  "* 24 * * *",
  "* * 0 * *",
  "* * * 13 *",
  "* * * * 7",
  "*/0 * * * *",
  "5-1 * * * *",
  "1,,2 * * * *",
  "1-2-3 * * * *",
  "@daily",
  "a * * * *",
  "1/ * * * *",
  "-1 * * * *",
])("'%s' is none", (cron) => {
  expect(isCron(cron)).toBe(false);
});

test.each([
  ["* * * * *", 1],
  ["*/5 * * * *", 5],
  ["*/15 0 * * *", 15],
  ["1/7 * * * *", 4],
  ["20/15 * * * *", 15],
  ["0,3,30 * * * *", 3],
  ["0,58 * * * *", 2],
  ["10-12 * * * *", 1],
  ["0-30/10 * * * *", 10],
  ["30 5 * * 1", 60],
])("'%s' may run every %i minutes", (cron, minutes) => {
  expect(intervalMinutes(cron)).toBe(minutes);
});

test.each(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "asia/kolkata"])("'%s' is a time zone", (zone) => {
  expect(isTimeZone(zone)).toBe(true);
});

test.each(["", "+02:00", "Mars/Olympus", "Europe/Berlin\n", "Europe", "02:00"])("%j is none", (zone) => {
  expect(isTimeZone(zone)).toBe(false);
});
