import { expect, it } from "vitest";
import { logProgress } from "./log-progress.ts";

it("says what is done for machines once an hour, however many machines there are", () => {
  const said: unknown[] = [];
  let nowMs = 0;
  const hear = logProgress({ info: (message, facts) => said.push({ message, ...facts }) }, () => nowMs);
  const [making, none] = ["machine: making a template, once", "machine: started, not copied from a template: no room"];
  for (const line of [making, none, none, making]) hear(line);
  const first = [making, none].map((what) => ({ message: "machine progress", what }));
  expect(said).toEqual(first);
  nowMs = 3_600_000;
  hear(none);
  expect(said).toEqual([...first, first[1]]);
});
