import { describe, expect, it } from "vitest";
import { EngineError } from "../lib/engine-error.ts";
import { start } from "./fake-command-line.ts";
import type { Invocation } from "./fake-command-line.ts";
import { planned } from "./fake-hearth.ts";

const ci = ".github/workflows/ci.yml";

/** Until the command waits for changes, or has said something else, so many times. */
async function said({ terminal }: Invocation, text: string, times = 1): Promise<void> {
  while (terminal.stderr().split(text).length - 1 < times) await new Promise(setImmediate);
}

describe("hearth run --watch", () => {
  it("runs, says what changed, runs again, and ends with Ctrl-C while nothing runs, leaving no watch behind", async () => {
    const invocation = start(["run", "--watch"], { results: [planned(ci)] });
    const { hearth, terminal, code } = invocation;
    await said(invocation, "Waiting for changes in /repo");
    hearth.change("src/a.ts", "src/b.ts");
    await hearth.called(`end ${ci}`, 2);
    expect(terminal.stderr()).toContain("\nChanged: src/a.ts, src/b.ts\n");
    await said(invocation, "Waiting for changes", 2);
    terminal.advance(1_000);
    terminal.interrupt();
    expect(await code).toBe(0);
    expect(hearth.calls.filter((call) => call === `start ${ci}`)).toHaveLength(2);
    expect([hearth.watchers(), terminal.listeners()]).toEqual([0, 0]);
  });

  it("lets a run end before it runs again for what changed meanwhile, and cancels it at Ctrl-C", async () => {
    const invocation = start(["run", "--watch"], { results: [planned(ci)], runs: { [ci]: { untilCancelled: true } } });
    const { hearth, terminal, code } = invocation;
    const cancel = async (): Promise<void> => {
      await new Promise(setImmediate);
      terminal.advance(1_000);
      terminal.interrupt();
      terminal.advance(1_000);
      // The fake ends only when it is killed.
      terminal.interrupt();
    };
    await hearth.called(`start ${ci}`);
    await cancel();
    await said(invocation, "Waiting for changes");
    hearth.change("one");
    await hearth.called(`start ${ci}`, 2);
    hearth.change("two");
    await cancel();
    await hearth.called(`start ${ci}`, 3);
    expect(terminal.stderr()).toContain("Changed: two\n");
    await cancel();
    await said(invocation, "Waiting for changes", 3);
    terminal.advance(1_000);
    terminal.interrupt();
    expect(await code).toBe(130);
    expect(hearth.watchers()).toBe(0);
  });

  it("does not take the key that cancelled a run, passed on by npm, for the one that ends it all", async () => {
    const invocation = start(["run", "--watch"], { results: [planned(ci)], runs: { [ci]: { untilCancelled: true } } });
    const { hearth, terminal, code } = invocation;
    await hearth.called(`start ${ci}`);
    await new Promise(setImmediate);
    terminal.interrupt();
    terminal.advance(200);
    terminal.interrupt();
    await said(invocation, "Waiting for changes");
    terminal.interrupt();
    hearth.change("x");
    await hearth.called(`start ${ci}`, 2);
    await new Promise(setImmediate);
    terminal.advance(200);
    terminal.interrupt();
    terminal.advance(200);
    terminal.interrupt();
    await said(invocation, "Waiting for changes", 2);
    terminal.advance(200);
    terminal.interrupt();
    expect(await code).toBe(130);
  });

  it("goes on after a run that could not be selected, and names few of many files", async () => {
    const wrong = new EngineError("BAD_USAGE", "Cannot find workflows");
    const invocation = start(["run", "--watch"], { results: [planned(ci)], selectFails: { at: 2, error: wrong } });
    await said(invocation, "Waiting for changes");
    invocation.hearth.change("a", "b", "c", "d", "e", "f", "\u001b[2Jg");
    await said(invocation, "Waiting for changes", 2);
    expect(invocation.terminal.stderr()).toContain("Changed: a, b, c, d, e and 2 more\nerror: Cannot find workflows\n");
    invocation.terminal.advance(1_000);
    invocation.terminal.interrupt();
    expect(await invocation.code).toBe(2);
  });

  it("ends when it can no longer watch", async () => {
    const invocation = start(["run", "--watch"], { results: [planned(ci)] });
    await said(invocation, "Waiting for changes");
    invocation.hearth.failWatch(new EngineError("WATCH_FAILED", "Cannot watch /repo/x"));
    expect(await invocation.code).toBe(5);
    expect(invocation.terminal.stderr()).toContain("error: Cannot watch /repo/x\n");
    expect(invocation.terminal.listeners()).toBe(0);
  });
});
