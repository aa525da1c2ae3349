/** What goes wrong with a real sandbox in the middle of a run: the run says so, every step has a fate, nothing is left. */
import { execFile } from "node:child_process";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { parseEvents } from "../example-record.ts";
import { leftovers } from "../leftovers.ts";
import { sandbox } from "../run-hearth.ts";
import type { HearthEnd, RunningHearth, Sandbox } from "../run-hearth.ts";

const WORKFLOW = `
on: push
jobs:
  long:
    runs-on: ubuntu-latest
    steps:
      - run: echo first
      - run: |
          trap 'echo interrupted; exit 1' INT
          echo waiting
          for i in $(seq 300); do sleep 0.1; done
      - if: always()
        run: echo always
  after:
    needs: long
    runs-on: ubuntu-latest
    steps:
      - run: echo after
`;

/** Starts the workflow in gVisor and calls `strike` when its second step runs. */
async function interrupted(
  place: Sandbox,
  strike: (running: RunningHearth) => Promise<void> | void,
  text = WORKFLOW,
): Promise<HearthEnd> {
  const workflows = join(place.directory, "project", ".github", "workflows");
  await mkdir(workflows, { recursive: true });
  await writeFile(join(workflows, "long.yml"), text);
  const running = place.start(["run", "--provider", "gvisor", "--json"], { cwd: join(place.directory, "project") });
  const lines = createInterface({ input: running.stdout });
  for await (const line of lines) {
    if (!line.includes('"line":"waiting"')) continue;
    await strike(running);
    break;
  }
  return running.ended;
}

/** Processes that show the machine's directory, or its bundle, among their arguments. */
async function processesOf({ temporary }: Sandbox): Promise<{ pid: number; command: string }[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = await Promise.all(
    pids.map(async (pid) => {
      const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      return { pid, command: command.replaceAll("\0", " ") };
    }),
  );
  return all.filter(({ command }) => command.includes(temporary));
}

/** The second of a sandbox's processes may go with the first. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

describe("a sandbox in trouble", () => {
  it("is lost when it is killed: the step failed, the rest was not reached, the exit code says machine", async () => {
    await using place = await sandbox();
    const end = await interrupted(place, async () => {
      const sandboxes = (await processesOf(place)).filter(({ command }) => command.includes("runsc"));
      expect(sandboxes.length).toBeGreaterThan(0);
      for (const { pid } of sandboxes) kill(pid);
    });
    const events = parseEvents(end.stdout);
    const fates = events.flatMap((event) =>
      event.type === "step_completed" && event.phase === "main"
        ? [`${event.job}/${event.step} ${event.fate.kind}`]
        : [],
    );
    expect(fates).toEqual(["long/1 ran", "long/2 ran", "long/3 not_reached", "after/1 skipped"]);
    expect(events.find((event) => event.type === "run_completed")).toMatchObject({
      conclusion: "failure",
      error: { code: "MACHINE_LOST" },
      counts: { declared: 4, ran: 2, skipped: 1, notReached: 1, cancelled: 0 },
    });
    expect(end.exitCode).toBe(5);
    expect(await leftovers(place)).toEqual([]);
  });

  it("ends by Ctrl-C: the step is interrupted, always() steps run, nothing is left", async () => {
    await using place = await sandbox();
    const end = await interrupted(place, (running) => running.kill("SIGINT"));
    const lines = parseEvents(end.stdout).flatMap((event) => (event.type === "log" ? [event.line] : []));
    expect(lines).toContain("interrupted");
    expect(lines).toContain("always");
    expect(end.exitCode).toBe(130);
    expect(await leftovers(place)).toEqual([]);
  });

  it("ends at once by a second Ctrl-C, also when the step is deaf", async () => {
    await using place = await sandbox();
    const deaf = WORKFLOW.replace("trap 'echo interrupted; exit 1' INT", "trap '' INT TERM");
    const end = await interrupted(
      place,
      async (running) => {
        running.kill("SIGINT");
        await promisify(execFile)("sleep", ["0.3"]);
        running.kill("SIGINT");
      },
      deaf,
    );
    expect(end.exitCode).toBe(130);
    expect(await leftovers(place)).toEqual([]);
  });

  it("does not outlive a Hearth that is killed, and the next run sweeps up its files", async () => {
    await using place = await sandbox();
    const end = await interrupted(place, (running) => running.kill("SIGKILL"));
    expect(end.exitCode).toBeNull();
    await expect.poll(() => processesOf(place), { timeout: 10_000 }).toEqual([]);
    const runs = await place.run(["runs"]);
    expect(runs.stdout).toContain("lost");
    await writeFile(
      join(place.directory, "project", ".github", "workflows", "long.yml"),
      "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n",
    );
    const next = await place.run(["run", "--provider", "gvisor"], { cwd: join(place.directory, "project") });
    expect(next.exitCode).toBe(0);
    expect(await leftovers(place)).toEqual([]);
  });
});
