import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createProcessTerminal } from "./process-terminal.ts";

describe("colours", () => {
  it.each([
    [{}, false],
    [{ FORCE_COLOR: "1" }, true],
    [{ FORCE_COLOR: "0" }, false],
    [{ FORCE_COLOR: "" }, false],
    [{ FORCE_COLOR: "1", NO_COLOR: "1" }, false],
    [{ FORCE_COLOR: "1", NO_COLOR: "" }, true],
  ])("into a pipe with %j: %s", (environment, expected) => {
    // The runner's own stdout is a terminal when a person watches the tests.
    const terminal = createProcessTerminal({ TERM: "dumb", ...environment });
    expect(terminal.out.colors.isColorSupported).toBe(expected);
  });
});

describe("the live view", () => {
  it("is never drawn in CI or on a dumb terminal", () => {
    expect(createProcessTerminal({ CI: "true", TERM: "xterm" }).live).toBe(false);
    expect(createProcessTerminal({ TERM: "dumb" }).live).toBe(false);
  });
});

describe("onInterrupt", () => {
  it("hears Ctrl-C, SIGTERM and a closed window, and gives the signals back", () => {
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
    const before = signals.map((signal) => process.listenerCount(signal));
    let heard = 0;
    const stop = createProcessTerminal({}).onInterrupt(() => (heard += 1));
    for (const signal of signals) expect(process.listeners(signal).at(-1)?.(signal)).toBeDefined();
    stop();
    expect(heard).toBe(3);
    expect(signals.map((signal) => process.listenerCount(signal))).toEqual(before);
  });
});

describe("flushOutput", () => {
  const terminal = join(import.meta.dirname, "process-terminal.ts");
  // As `main.ts` does: write, flush, exit at once.
  const writer = `
    import { createProcessTerminal, flushOutput } from ${JSON.stringify(terminal)};
    createProcessTerminal({}).out.write("x".repeat(1 << 20));
    await flushOutput();
    process.exit(0);`;
  const node = [process.execPath, "--input-type=module", "-e", writer];

  it("lets everything out before the process exits, however slow the reader", () => {
    // `dd` takes one byte and only then, after the pipe is full, `wc` the rest.
    const script = '"$@" | { dd bs=1 count=1 status=none; wc -c; }';
    const piped = spawnSync("bash", ["-c", script, "bash", ...node], { encoding: "utf8" });
    expect(piped.stdout).toBe(`x${(1 << 20) - 1}\n`);
  });

  it("does not wait for a reader that is gone", () => {
    const script = '"$@" | head -c 1; exit "${PIPESTATUS[0]}"';
    const piped = spawnSync("bash", ["-c", script, "bash", ...node], { encoding: "utf8" });
    expect(piped).toMatchObject({ status: 0, stdout: "x", stderr: "" });
  });
});
