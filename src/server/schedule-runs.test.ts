import { describe, expect, it } from "vitest";
import { silentLog } from "./run-queue.fixture.ts";
import { createMemoryServerStore } from "./memory-server-store.ts";
import { fireSchedules } from "./schedule-runs.ts";
import type { ScheduleEntry } from "./schedule-runs.ts";

const entry: ScheduleEntry = {
  repository: "octo-org/hello",
  workflow: ".github/workflows/nightly.yml",
  cron: "*/15 * * * *",
  timezone: undefined,
};
const at = (time: string): number => Date.parse(`2026-11-22T${time}:00Z`);

function server(entries: readonly ScheduleEntry[] = [entry]) {
  let nowMs = at("10:00");
  const store = createMemoryServerStore({ now: () => nowMs, monotonicMs: () => 0 });
  return {
    store,
    fireAt: async (time: number): Promise<number> => {
      nowMs = time;
      return fireSchedules({
        store,
        entries: async () => entries,
        now: () => nowMs,
        log: silentLog,
        onAccepted: () => undefined,
      });
    },
  };
}

describe("schedules", () => {
  it("fire once for each time that is due", async () => {
    const { fireAt, store } = server();
    const times = ["10:01", "10:14", "10:15", "10:15", "10:16", "10:29", "10:31"];
    const fired = [];
    for (const time of times) fired.push(await fireAt(at(time)));
    expect(fired).toEqual([0, 0, 1, 0, 0, 0, 1]);
    expect(store.deliveries.list(9)).toHaveLength(2);
    expect(store.deliveries.next()).toMatchObject({ event: "schedule", source: "schedule" });
  });

  it("fire no second time when the clock goes back and comes again", async () => {
    const { fireAt, store } = server();
    await fireAt(at("10:01"));
    await fireAt(at("10:15"));
    for (const time of ["09:00", "10:00", "10:14", "10:15", "10:16"]) expect(await fireAt(at(time))).toBe(0);
    expect(await fireAt(at("10:30"))).toBe(1);
    expect(store.deliveries.list(9)).toHaveLength(2);
  });

  it("fire once for many times that nobody was there for, and not for what is long ago", async () => {
    const { fireAt } = server();
    await fireAt(at("10:01"));
    expect(await fireAt(at("10:50"))).toBe(1);
    const daily = server([{ ...entry, cron: "0 3 * * *" }]);
    await daily.fireAt(at("02:00"));
    expect(await daily.fireAt(at("05:00"))).toBe(0);
  });
});
