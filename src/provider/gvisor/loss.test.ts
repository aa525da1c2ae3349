import { describe, expect, it } from "vitest";
import { lossOf } from "./loss.ts";
import type { SandboxEnd } from "./loss.ts";

/** As the sandbox printed them when it was killed so, tini 0.19 and util-linux 2.38. */
const AGENT_KILLED = "[INFO  tini (1)] Main child exited with signal (with signal 'Killed')\n";
const AGENT_FAILED = "Error: no way to the host\n[INFO  tini (1)] Main child exited normally (with status '1')\n";
const FIRST_PROCESS_KILLED = "unshare: sigprocmask unblock failed: Invalid argument\n";
/** As runsc v0.0.0-20260905 said it when its sandbox was killed before it ran. */
const NO_SANDBOX =
  "running container: creating container: cannot create sandbox: cannot read client sync file: waiting for sandbox to start: EOF\n";
const NO_ROOT =
  'running container: starting container: starting root container: urpc method "containerManager.StartRoot" failed: connection reset by peer\n';

const exited = (code: number): SandboxEnd => ({ kind: "exited", code });

describe("lossOf", () => {
  it.each([
    ["its sandbox's process was killed", exited(137), "", 0, "killed", "The sandbox was killed by SIGKILL"],
    ["runsc was killed", exited(1), FIRST_PROCESS_KILLED, 0, "killed", "The sandbox was killed by SIGKILL"],
    ["unshare was killed", { kind: "killed", signal: "SIGKILL" } as const, "", 0, "killed", /by SIGKILL/],
    ["the agent was killed in it", exited(137), AGENT_KILLED, 0, "agent_ended", /ended with signal 'Killed'/],
    ["the agent failed", exited(1), AGENT_FAILED, 0, "agent_ended", /ended with status '1'/],
    [
      "the kernel wanted its memory",
      exited(1),
      FIRST_PROCESS_KILLED,
      2,
      "out_of_memory",
      /killed 2 processes .* 512 MiB/,
    ],
    ["the kernel took the agent", exited(137), AGENT_KILLED, 1, "out_of_memory", /killed a process of it/],
    [
      "its process was killed before it had started",
      exited(128),
      NO_SANDBOX,
      0,
      "killed",
      /while it was being started/,
    ],
    ["its process was killed while it started", exited(128), NO_ROOT, 0, "killed", /while it was being started/],
    ["runsc gave up", exited(128), "cannot do this", 0, "ended", "The sandbox exited with 128"],
  ])("when %s", (_, end, console, oomKills, cause, reason) => {
    const rest = { isExhausted: false, refusedTasks: 0, memoryMib: 512 };
    const loss = lossOf({ end, console, oomKills, ...rest });
    expect(loss).toMatchObject({ cause, console });
    expect(loss.reason).toMatch(reason);
  });

  const ours = { end: exited(137), console: "", oomKills: 0, memoryMib: 512 };

  it("is out of memory when it was ended because it stood still", () => {
    expect(lossOf({ ...ours, isExhausted: true, refusedTasks: 0 })).toMatchObject({
      cause: "out_of_memory",
      reason: expect.stringContaining("it stood still"),
    });
  });

  it("names the limit of processes when that refused some", () => {
    expect(lossOf({ ...ours, isExhausted: false, refusedTasks: 3 })).toMatchObject({
      cause: "ended",
      reason: expect.stringContaining("more processes and threads than a machine may have"),
    });
  });
});
