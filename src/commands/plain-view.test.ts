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
