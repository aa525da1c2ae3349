import { describe, expect, it } from "vitest";
import type { RunEvent, RunEventBody } from "../store/run-event.ts";
import { foldRecord } from "../store/run-record.ts";
import { at } from "./fake-hearth.ts";
import { placeJobs } from "./job-tree.ts";

function planned(job: string, caller?: string): RunEventBody {
  return { type: "job_planned", job, id: job, name: job, steps: [], ...(caller === undefined ? {} : { caller }) };
}

function placed(...bodies: RunEventBody[]): string[] {
  const events: RunEvent[] = bodies.map((body) => ({ at, ...body }));
  return placeJobs(foldRecord(events).jobs).map(({ depth, label }) => "  ".repeat(depth) + label);
}

describe("placeJobs", () => {
  it("puts called jobs below their caller, whenever they were planned, under their own names", () => {
    const order = placed(
      planned("lint"),
      planned("deploy"),
      planned("notify"),
      planned("deploy / build", "deploy"),
      planned("deploy / build / compile", "deploy / build"),
      planned("deploy / ship", "deploy"),
    );
    expect(order).toEqual(["lint", "deploy", "  build", "    compile", "  ship", "notify"]);
  });

  it("loses no job, also when nothing was heard of its caller or two call each other", () => {
    expect(placed(planned("gone / a", "gone"), planned("x", "y"), planned("y", "x"))).toEqual(["a", "x", "  y"]);
  });
});
