import { expect, test } from "vitest";
import { isCron } from "./cron.ts";

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
