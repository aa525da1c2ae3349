import { describe, expect, it } from "vitest";
import { runCommand } from "./run-command.ts";

describe("runCommand", () => {
  it("gives exit code and both streams, and feeds the input", async () => {
    const result = await runCommand(["sh", "-c", "cat; echo err >&2; exit 3"], { input: "in" });
    expect(result).toEqual({ code: 3, stdout: "in", stderr: "err\n" });
  });

  it("passes arguments as they are, whatever a shell would make of them", async () => {
    const { stdout } = await runCommand(["printf", "%s|", "$(id)", "a b", "*"]);
    expect(stdout).toBe("$(id)|a b|*|");
  });

  it("keeps the end of what a chatty program prints", async () => {
    const { stdout } = await runCommand(["sh", "-c", "yes x | head -c 3000000; echo end"]);
    expect(stdout.length).toBeLessThanOrEqual(1 << 20);
    expect(stdout.endsWith("end\n")).toBe(true);
  });

  it("hands over lines as they come", async () => {
    const lines: string[] = [];
    await runCommand(["printf", "a\\nb\\n"], { onLine: (line) => lines.push(line) });
    expect(lines).toEqual(["a", "b"]);
  });

  it("rejects with ENOENT when there is no such program", async () => {
    await expect(runCommand(["hearth-no-such-program"])).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("ends the program and its children on abort, and rejects with the reason", async () => {
    const controller = new AbortController();
    const reason = new Error("stop");
    const running = runCommand(["sh", "-c", "sleep 1000 & echo started; wait"], {
      signal: controller.signal,
      onLine: () => controller.abort(reason),
    });
    // Resolves only when the pipes are closed, which `sleep` holds too.
    await expect(running).rejects.toBe(reason);
  });

  it("is null for a program that a signal ended", async () => {
    expect((await runCommand(["sh", "-c", "kill -9 $$"])).code).toBeNull();
  });
});
