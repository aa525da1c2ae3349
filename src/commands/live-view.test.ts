import { describe, expect, it } from "vitest";
import type { RunEventBody } from "../store/run-event.ts";
import { aRun, at, failed } from "./fake-hearth.ts";
import { screenOf } from "./fake-screen.ts";
import { fakeTerminal } from "./fake-terminal.ts";
import type { FakeTerminal } from "./fake-terminal.ts";
import { createLiveView } from "./live-view.ts";
import { watchRun } from "./run-watch.ts";
import type { RunWatch } from "./run-watch.ts";
import type { View } from "./view.ts";

const esc = "\u001b";

function play(view: View, watch: RunWatch, bodies: readonly RunEventBody[]): void {
  for (const body of bodies) {
    const event = { at, ...body };
    watch.apply(event);
    view.event(watch, event);
  }
}

/** The events up to the start of that step, and what it has printed so far. */
function until(step: string, bodies: readonly RunEventBody[]): RunEventBody[] {
  const end = bodies.findIndex((body) => body.type === "step_completed" && body.step === step);
  return bodies.slice(0, end);
}

function screen(terminal: FakeTerminal): string[] {
  const { columns, rows } = terminal.size();
  return screenOf(terminal.stdout(), columns, rows);
}

const steps = [
  { name: "Checkout", lines: ["cloning"] },
  { name: "Install", lines: ["▸Downloading", "a", "b", "◂", "done"] },
  { name: "Test", lines: ["one", "two", "three", "four"] },
];

describe("the live view", () => {
  it("shows a running step with its last three lines, what is done above it and what waits below", () => {
    const terminal = fakeTerminal({ live: true });
    const view = createLiveView(terminal);
    const watch = watchRun("ci.yml");
    view.started(watch);
    view.waiting(["lint.yml"]);
    play(view, watch, until("2", aRun(steps)));
    terminal.advance(1_000);
    expect(screen(terminal)).toEqual([
      "⠋ ci.yml  1/3 steps  1.0s",
      "  ⠋ build  1.0s",
      "    ✓ Checkout  0.1s",
      "    ⠋ Install  1.0s",
      "      │ ▸ Downloading (2 lines)",
      "      │ done",
      "    ○ Test",
      "  ○ lint.yml",
      "1 running · 1 waiting · 1.0s · Ctrl-C cancels",
      "",
    ]);
    view.close();
  });

  it("draws over its last frame and leaves a finished workflow above for good", () => {
    const terminal = fakeTerminal({ live: true });
    const view = createLiveView(terminal);
    const watch = watchRun("ci.yml");
    view.started(watch);
    const events = aRun([...steps.slice(0, 2), { name: "Test", lines: ["one"], fate: failed }], "failure");
    for (const body of events) {
      play(view, watch, [body]);
      terminal.advance(300);
    }
    view.ended(watch);
    view.close();
    expect(screen(terminal)).toEqual([
      "ci.yml",
      "  ✗ build  0.9s",
      "    ✓ Checkout  0.1s",
      "    ✓ Install  0.1s",
      "    ✗ Test  failure (exit code 2)  0.1s",
      "",
    ]);
    expect(terminal.stdout().endsWith(`${esc}[?25h`)).toBe(true);
    expect(terminal.listeners()).toBe(0);
  });

  it("shows called jobs below their call, what waits for a concurrency group, and where a job deployed to", () => {
    const terminal = fakeTerminal({ live: true });
    const view = createLiveView(terminal);
    const watch = watchRun("ci.yml");
    view.started(watch);
    const [runStarted] = aRun([]);
    if (runStarted?.type !== "run_started") throw new Error("a run begins with its start");
    const none = { steps: [], reason: undefined, outputs: {} };
    play(view, watch, [
      { ...runStarted, title: "Deploy v2", attempt: 2 },
      { type: "waiting", group: "production" },
    ]);
    terminal.advance(100);
    expect(screen(terminal)[0]).toBe(
      "⠁ ci.yml  Deploy v2 (attempt 2)  0/0 steps  0.1s  waits for the concurrency group production"
        .replace("⠁", "⠙")
        .slice(0, 78) + "…",
    );
    play(view, watch, [
      { type: "job_planned", job: "deploy", id: "deploy", calls: "./x.yml", name: "deploy", ...none },
      { type: "job_planned", job: "last", id: "last", name: "last", ...none },
      {
        type: "job_planned",
        job: "deploy / build",
        id: "build",
        caller: "deploy",
        name: "b",
        ...none,
        steps: [{ number: 1, name: "Make", way: "run" }],
      },
      { type: "job_planned", job: "deploy / ship", id: "ship", caller: "deploy", name: "s", ...none },
      { type: "job_started", job: "deploy / build", machine: "m1" },
      { type: "step_started", job: "deploy / build", step: "1", phase: "main", name: "Make" },
      { type: "log", job: "deploy / build", step: "1", line: "cc" },
      { type: "waiting", job: "deploy / ship", group: "g" },
    ]);
    terminal.advance(100);
    expect(screen(terminal)).toEqual([
      "⠹ ci.yml  Deploy v2 (attempt 2)  0/0 steps  0.2s",
      "  ⠹ deploy → ./x.yml  0.2s",
      "    ⠹ build  0.2s",
      "      ⠹ Make  0.2s",
      "        │ cc",
      "    ◌ ship  waits for the concurrency group g",
      "  ○ last",
      "1 running · 0.2s · Ctrl-C cancels",
      "",
    ]);
    const environment = { name: "production", url: "https://example.com" };
    play(view, watch, [
      { type: "job_completed", job: "deploy / ship", conclusion: "success", environment, durationMs: 100, ...none },
      { type: "job_completed", job: "deploy", conclusion: "failure", durationMs: 300, ...none },
    ]);
    view.ended(watch);
    view.close();
    const shown = screen(terminal);
    expect(shown[0]).toBe("ci.yml  Deploy v2 (attempt 2)");
    expect(shown[1]).toBe("  ✗ deploy → ./x.yml  0.3s");
    expect(shown).toContain("    ✓ ship  0.1s  environment production https://example.com");
  });

  it("redraws at most ten times a second, however much is printed", () => {
    const terminal = fakeTerminal({ live: true });
    const view = createLiveView(terminal);
    const watch = watchRun("ci.yml");
    view.started(watch);
    play(
      view,
      watch,
      until("1", aRun([{ name: "Loud", lines: Array.from({ length: 5_000 }, (_, i) => `line ${i}`) }])),
    );
    terminal.advance(1_000);
    expect(terminal.stdout().split(`${esc}[?2026h`).length - 1).toBe(10);
    view.close();
  });

  it("fits a small window: what runs and what failed stays, the rest is counted", () => {
    const terminal = fakeTerminal({ live: true });
    terminal.resize(30, 8);
    const view = createLiveView(terminal);
    const watch = watchRun("ci.yml");
    view.started(watch);
    const many = Array.from({ length: 40 }, (_, i) => ({
      name: `Step ${i + 1} with a long name that must be cut`,
      lines: ["last"],
    }));
    play(view, watch, until("20", aRun(many)));
    terminal.advance(500);
    const shown = screen(terminal);
    expect(shown).toHaveLength(8);
    expect(shown.every((line) => line.length < 30)).toBe(true);
    expect(shown[0]).toMatch(/ci\.yml/);
    expect(shown.join("\n")).toMatch(/Step 20 .*…\n.*│ last/);
    expect(shown.join("\n")).toMatch(/Step 19/);
    expect(shown[6]).toMatch(/^1 running · 0\.5s · 3/);
    view.close();
  });

  it("leaves no rubbish when the window is made narrower and lines have wrapped", () => {
    const terminal = fakeTerminal({ live: true });
    const view = createLiveView(terminal);
    const watch = watchRun("ci.yml");
    view.started(watch);
    play(view, watch, until("1", aRun([{ name: "N".repeat(70) }])));
    terminal.advance(100);
    // A terminal that wraps shows the old frame on more rows; the view must go up over all of them.
    const before = terminal.stdout().length;
    terminal.resize(40, 24);
    terminal.advance(100);
    expect(terminal.stdout().slice(before)).toContain(`\r${esc}[5A`);
    view.close();
  });

  it("gives a job no way to touch the screen (A34)", () => {
    const terminal = fakeTerminal({ live: true });
    const view = createLiveView(terminal);
    const watch = watchRun("ci.yml");
    view.started(watch);
    const hostile = `${esc}[2J${esc}]52;c;eA==\u0007${esc}[99A\u202eci.yml  success`;
    play(view, watch, until("1", aRun([{ name: hostile, lines: [hostile, `▸${hostile}`, "10%\r20%"] }])));
    terminal.advance(200);
    // The screen throws on any sequence that the view itself does not use.
    const shown = screen(terminal).join("\n");
    expect(shown).toContain("│ ci.yml  success");
    expect(shown).not.toContain("\u202e");
    view.close();
  });

  it("leaves above the frame what takes long while a machine is made", () => {
    const terminal = fakeTerminal({ live: true });
    const view = createLiveView(terminal);
    const watch = watchRun("ci.yml");
    view.started(watch);
    play(view, watch, until("1", aRun(steps)));
    view.progress("machine: making a template, once\u001b[2J");
    terminal.advance(300);
    expect(screen(terminal)[0]).toBe("machine: making a template, once");
    expect(screen(terminal)[1]).toContain("ci.yml");
    view.close();
  });

  it("says above the frame that it is cancelling", () => {
    const terminal = fakeTerminal({ live: true });
    const view = createLiveView(terminal);
    const watch = watchRun("ci.yml");
    view.started(watch);
    play(view, watch, until("1", aRun(steps)));
    terminal.advance(100);
    view.cancelling("Cancelling: steps are asked to stop.");
    const shown = screen(terminal);
    expect(shown[0]).toBe("Cancelling: steps are asked to stop.");
    expect(shown.at(-2)).toMatch(/cancelling, Ctrl-C ends it at once$/);
    view.close();
  });
});
