import { describe, expect, it } from "vitest";
import { causeOfPanic } from "./loss.ts";

const KILLED_NODE = "[   12.1] Out of memory: Killed process 110 (node) total-vm:11kB";

describe("causeOfPanic", () => {
  it.each([
    ["sysrq triggered crash", "", "kernel_panic"],
    ["VFS: Unable to mount root fs on unknown-block(0,0)", KILLED_NODE, "kernel_panic"],
    ["Attempted to kill init! exitcode=0x00000900", "", "agent_ended"],
    ["Attempted to kill init! exitcode=0x00008900", KILLED_NODE, "out_of_memory"],
    ["System is deadlocked on memory", "", "out_of_memory"],
    ["Out of memory: system-wide panic_on_oom is enabled", "", "out_of_memory"],
  ])("takes %j for what it says", (words, console, cause) => {
    const told = causeOfPanic(words, console);
    expect(told.cause).toBe(cause);
    expect(told.reason).toContain(words);
  });

  it("names what the kernel killed", () => {
    expect(causeOfPanic("Attempted to kill init! exitcode=0x00008900", KILLED_NODE).reason).toMatch(/node was killed$/);
  });
});
