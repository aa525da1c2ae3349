import { describe, expect, it } from "vitest";
import { describeLoss } from "./loss.ts";

const over = { signal: undefined, reason: "the guest switched itself off" };

describe("describeLoss", () => {
  it.each([
    [over, "", "ended", over.reason],
    [{ signal: "SIGKILL", reason: "Firecracker was killed by SIGKILL" }, "booting", "killed", "killed by SIGKILL"],
    [
      over,
      "Kernel panic - not syncing: sysrq triggered crash\nmore",
      "kernel_panic",
      "panicked (sysrq triggered crash)",
    ],
    [over, "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000300", "agent_ended", "kill init"],
    [
      over,
      "Out of memory: Killed process 77 (node)\nKernel panic - not syncing: Attempted to kill init!",
      "out_of_memory",
      "out of memory, node was killed",
    ],
  ])("reads %j with console %j as %s", (end, console, cause, reason) => {
    expect(describeLoss(end, console)).toEqual({ cause, reason: expect.stringContaining(reason), console });
  });
});
