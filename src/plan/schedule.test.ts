import { describe, expect, it } from "vitest";
import { anEvent, aTrigger, aWorkflow } from "./plan-fixture.ts";
import { isSameCron, schedulesOf, withOwnSchedule } from "./schedule.ts";

const nightly = { cron: "5 4 * * *", timezone: undefined };
const weekly = { cron: "0 0 * * 1", timezone: "Europe/Berlin" };
const workflow = aWorkflow({ triggers: [aTrigger(), aTrigger({ event: "schedule", schedules: [nightly, weekly] })] });

describe("withOwnSchedule", () => {
  it("says that the workflow's first entry fired, where nobody has said which", () => {
    const event = anEvent({ name: "schedule", payload: { repository: {} } });
    expect(withOwnSchedule(event, workflow).payload).toEqual({
      schedule: "5 4 * * *",
      workflow: ".github/workflows/ci.yml",
      repository: {},
    });
  });

  it("leaves the entry that somebody named, other events, and workflows without a schedule alone", () => {
    const named = anEvent({ name: "schedule", payload: { schedule: "0 0 * * 1" } });
    expect(withOwnSchedule(named, workflow)).toBe(named);
    const push = anEvent();
    expect(withOwnSchedule(push, workflow)).toBe(push);
    const unnamed = anEvent({ name: "schedule" });
    expect(withOwnSchedule(unnamed, aWorkflow())).toBe(unnamed);
  });
});

describe("schedulesOf", () => {
  it("lists every entry of the file", () => {
    expect(schedulesOf(workflow)).toEqual([nightly, weekly]);
  });
});

describe("isSameCron", () => {
  it("looks over spaces and at nothing else", () => {
    expect(isSameCron(" 5  4 * * * ", "5 4 * * *")).toBe(true);
    expect(isSameCron("5 4 * * MON", "5 4 * * mon")).toBe(false);
  });
});
