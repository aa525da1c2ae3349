import { describe, expect, it } from "vitest";
import type { RunEventBody } from "../store/run-event.ts";
import { aRun, at, failed } from "./fake-hearth.ts";
import { fakeTerminal } from "./fake-terminal.ts";
import { createPlainView } from "./plain-view.ts";
import { watchRun } from "./run-watch.ts";

function output(bodies: readonly RunEventBody[], options: { verbose?: boolean; several?: boolean } = {}): string[] {
  const terminal = fakeTerminal();
  const view = createPlainView(terminal, { verbose: options.verbose ?? false, several: options.several ?? false });
  const watch = watchRun("ci.yml");
  for (const body of bodies) {
    const event = { at, ...body };
    watch.apply(event);
    view.event(watch, event);
  }
  return terminal.stdout().trimEnd().split("\n");
}

const run = aRun(
  [
    { name: "Install", lines: ["▸Run npm ci", "hidden", "◂", "added 3 packages"] },
    { name: "Test", lines: ["10%\r20%", "\u001b[2J\u001b[31mred\u001b[0m"], fate: failed },
    { name: "Publish", fate: { kind: "not_reached", reason: "the job failed" } },
  ],
  "failure",
);

describe("the plain view", () => {
  it("prints one line for everything, with groups folded to their titles", () => {
    expect(output(run)).toEqual([
      "machine ready: sandbox (gVisor), 0.6s",
      "build | Install | ▸ Run npm ci",
      "build | Install | added 3 packages",
      "build | Install | success  0.1s",
      "build | Test | 10%",
      "build | Test | 20%",
      "build | Test | red",
      "build | Test | failure (exit code 2)  0.1s",
      "build | Publish | not reached: the job failed",
      "build | failure  0.9s",
    ]);
  });

  it("tells which cells of a matrix share what ran", () => {
    expect(
      output([
        { type: "matrix_fork", job: "test (1)", before: 3, cells: ["test (2)", "test (3)"], durationMs: 300 },
        { type: "matrix_fork_failed", job: "test (1)", cells: ["test (2)"], reason: "no place for it" },
      ]),
    ).toEqual([
      "test (1) | copied for 2 other cells  0.3s",
      "test (1) | shares no step with test (2): no place for it",
    ]);
  });

  it("tells title, attempt, who waits for which group, and where a job deployed to", () => {
    const [started] = run;
    if (started?.type !== "run_started") throw new Error("a run begins with its start");
    const environment = { name: "production", url: "https://example.com/\u001b[2J" };
    const ended = { conclusion: "success", reason: undefined, outputs: {}, environment, durationMs: 900 } as const;
    expect(
      output([
        { ...started, title: "Deploy v2", attempt: 2 },
        { type: "waiting", group: "g" },
        { type: "waiting", job: "deploy / ship", group: "h" },
        { type: "job_completed", job: "deploy / ship", ...ended },
      ]),
    ).toEqual([
      "Deploy v2 (attempt 2)",
      "waits for the concurrency group g",
      "deploy / ship | waits for the concurrency group h",
      "deploy / ship | success  0.9s  environment production https://example.com/",
    ]);
  });

  it("opens groups when verbose and names the workflow when there are several", () => {
    expect(output(run, { verbose: true, several: true })).toContain("ci.yml | build | Install | hidden");
  });

  it("opens what follows a group that a step never closed", () => {
    const unclosed = aRun([
      { name: "One", lines: ["▸open", "hidden"] },
      { name: "Two", lines: ["shown"] },
    ]);
    expect(output(unclosed)).toContain("build | Two | shown");
  });
});
