/**
 * How many machines runs get, and that all of them go, on whatever provider: through the command line, by the events of `--json`,
 * and from outside, by the processes that Hearth has started.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { totalmem } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { RunEvent } from "../../src/store/run-event.ts";
import { parseEvents } from "../example-record.ts";
import { leftovers } from "../leftovers.ts";
import { sandbox } from "../run-hearth.ts";
import type { HearthEnd, RunningHearth, Sandbox } from "../run-hearth.ts";

export interface AllocationLimits {
  readonly memoryMib: number;
  /** Workflows in the tests with many, and how many of them may run at the same time. */
  readonly many: number;
  readonly atOnce: number;
}

type Event = RunEvent & { readonly run: string };

interface Ended {
  readonly end: HearthEnd;
  readonly events: readonly Event[];
  readonly summaries: readonly { readonly workflow: string; readonly conclusion: string }[];
  /** The most machines whose processes were there at the same time. */
  readonly mostSeen: number;
  readonly pid: number;
}

const job = (name: string, script: string, rest = ""): string =>
  `  ${name}:\n    runs-on: ubuntu-latest\n${rest}    steps:\n      - run: ${script}\n`;
const workflow = (...jobs: string[]): string => `on: push\njobs:\n${jobs.join("")}`;
const LONG = "echo waiting; sleep 300";

export function allocationSuite(provider: string, limits: AllocationLimits): void {
  async function start(
    place: Sandbox,
    files: Readonly<Record<string, string>>,
    { args = [], env = {} }: { readonly args?: readonly string[]; readonly env?: Record<string, string> } = {},
  ): Promise<RunningHearth> {
    const workflows = join(place.directory, "project", ".github", "workflows");
    await mkdir(workflows, { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(join(workflows, name), text);
    return place.start(["run", "--provider", provider, "--json", ...args], {
      cwd: join(place.directory, "project"),
      env: { HEARTH_MACHINE_MEMORY_MIB: String(limits.memoryMib), HEARTH_MACHINE_CPUS: "1", ...env },
    });
  }

  describe(`machines by ${provider}`, () => {
    it("are one for a workflow of five steps", async () => {
      await using place = await sandbox();
      const steps = "      - run: echo more\n".repeat(4);
      const { events, mostSeen, pid } = await ended(
        await start(place, { "a.yml": workflow(job("a", "echo") + steps) }),
      );
      expect([machinesIn(events), mostSeen]).toEqual([1, 1]);
      expect(events.filter((event) => event.type === "step_completed" && event.phase === "main")).toHaveLength(5);
      await expectNothingLeft(place, pid);
    });

    it("are one for a workflow of three jobs, and three with --machine-per job", async () => {
      await using place = await sandbox();
      const files = { "a.yml": workflow(job("a", "echo"), job("b", "echo"), job("c", "echo", "    needs: [a, b]\n")) };
      const shared = await ended(await start(place, files));
      expect([machinesIn(shared.events), shared.mostSeen]).toEqual([1, 1]);
      const each = await ended(await start(place, files, { args: ["--machine-per", "job"] }));
      expect(machinesIn(each.events)).toBe(3);
      expect(each.summaries).toMatchObject([{ conclusion: "success" }]);
      await expectNothingLeft(place, each.pid);
    });

    it("of independent jobs and matrix cells are there at the same time, and never more than allowed", async () => {
      await using place = await sandbox();
      const cells = "    strategy: { matrix: { cell: [1, 2, 3] } }\n";
      const files = { "a.yml": workflow(job("a", "sleep 5", cells), job("b", "sleep 5")) };
      const running = await start(place, files, { args: ["--machine-per", "job", "--concurrency", "2"] });
      const { events, mostSeen, summaries, pid } = await ended(running);
      expect([machinesIn(events), mostSeen]).toEqual([4, 2]);
      expect(mostIn(events)).toBeLessThanOrEqual(2);
      expect(summaries).toMatchObject([{ conclusion: "success" }]);
      await expectNothingLeft(place, pid);
    });

    it(`of ${limits.many} workflows are ${limits.many}, and never more at a time than MAX_CONCURRENT_WORKFLOWS`, async () => {
      await using place = await sandbox();
      const names = Array.from({ length: limits.many }, (_, number) => `w${number + 1}.yml`);
      const files = Object.fromEntries(names.map((name) => [name, workflow(job("a", "sleep 1"))]));
      const env = { MAX_CONCURRENT_WORKFLOWS: String(limits.atOnce), HEARTH_WARM_MACHINES: "0" };
      const { end, events, summaries, mostSeen, pid } = await ended(await start(place, files, { env }));
      expect(end.exitCode).toBe(0);
      expect(machinesIn(events)).toBe(limits.many);
      expect(mostSeen).toBe(limits.atOnce);
      expect(mostIn(events)).toBeLessThanOrEqual(limits.atOnce);
      expect(summaries.map(({ workflow: path, conclusion }) => `${path} ${conclusion}`).toSorted()).toEqual(
        names.map((name) => `.github/workflows/${name} success`).toSorted(),
      );
      await expectNothingLeft(place, pid);
    });

    it("made ahead serve the workflows that follow: none twice, none left over", async () => {
      await using place = await sandbox();
      const names = ["a.yml", "b.yml", "c.yml", "d.yml"];
      // Long enough for a machine to be begun beside it.
      const files = Object.fromEntries(
        names.map((name) => [name, workflow(job("a", "test ! -e /tmp/used && touch /tmp/used && sleep 3"))]),
      );
      const env = { MAX_CONCURRENT_WORKFLOWS: "1", HEARTH_WARM_MACHINES: "1" };
      const { end, events, mostSeen, pid } = await ended(await start(place, files, { env }));
      expect(end.exitCode).toBe(0);
      const ready = events.flatMap((event) => (event.type === "machine_ready" ? [event] : []));
      expect(ready.map(({ warm }) => warm === true)).toEqual([false, true, true, true]);
      expect(new Set(ready.map(({ bootId }) => bootId)).size).toBe(4);
      expect(mostSeen).toBe(2);
      await expectNothingLeft(place, pid);
    });

    it("of a single workflow are not made ahead", async () => {
      await using place = await sandbox();
      const { mostSeen, pid } = await ended(await start(place, { "a.yml": workflow(job("a", "sleep 5")) }));
      expect(mostSeen).toBe(1);
      await expectNothingLeft(place, pid);
    });

    it("made ahead serve the next run of --watch", async () => {
      await using place = await sandbox();
      const env = { HEARTH_WARM_MACHINES: "1" };
      const running = await start(place, { "a.yml": workflow(job("a", "echo")) }, { args: ["--watch"], env });
      const again = createInterface({ input: running.stderr });
      let changes = 0;
      for await (const line of again) {
        if (!line.startsWith("Waiting for changes")) continue;
        if (changes > 0) break;
        changes += 1;
        await expect.poll(() => machinesOf(running.pid), { timeout: 60_000 }).toBe(1);
        await writeFile(join(place.directory, "project", "changed"), "x");
      }
      running.kill("SIGINT");
      const { end, events, pid } = await ended(running);
      expect(end.exitCode).toBe(0);
      const ready = events.flatMap((event) => (event.type === "machine_ready" ? [event] : []));
      expect(ready.map(({ warm }) => warm === true)).toEqual([false, true]);
      await expectNothingLeft(place, pid);
    });

    it("of two Hearths that do not fit together wait for one another, and say so", async () => {
      await using place = await sandbox();
      // One fits into three quarters of the memory, two do not.
      const env = { HEARTH_MACHINE_MEMORY_MIB: String(Math.floor((totalmem() / 1024 ** 2) * 0.45)) };
      const files = { "a.yml": workflow(job("a", "sleep 2")) };
      const both = await Promise.all([1, 2].map(async () => ended(await start(place, files, { env: { ...env } }))));
      expect(both.map(({ end }) => end.exitCode)).toEqual([0, 0]);
      const events = both.flatMap((one) => one.events).toSorted((a, b) => (a.at < b.at ? -1 : 1));
      expect(mostIn(events)).toBe(1);
      const waits = events.flatMap((event) => (event.type === "machine_waiting" ? [event.lack] : []));
      expect(waits.length).toBeGreaterThan(0);
      for (const lack of waits) expect(lack).toMatch(/^memory: needs \d+ MiB, \d+ MiB are free for machines$/);
      for (const { pid } of both) await expectNothingLeft(place, pid);
    });

    it("that can never fit are refused at once, with what they need and what there is", async () => {
      await using place = await sandbox();
      const env = { HEARTH_MACHINE_MEMORY_MIB: String(1024 * 1024) };
      const { end, events, mostSeen } = await ended(
        await start(place, { "a.yml": workflow(job("a", "echo")) }, { env }),
      );
      expect([end.exitCode, mostSeen]).toEqual([5, 0]);
      const ending = events.find((event) => event.type === "run_completed");
      expect(ending?.error?.message).toMatch(/it needs \d+ MiB, this host has \d+ MiB$/);
    });

    it("go when a step fails", async () => {
      await using place = await sandbox();
      const { end, events, pid } = await ended(await start(place, { "a.yml": workflow(job("a", "exit 1")) }));
      expect(end.exitCode).toBe(1);
      expect(events.filter((event) => event.type === "machine_destroyed")).toHaveLength(1);
      await expectNothingLeft(place, pid);
    });

    it("go when the run is cancelled", async () => {
      await using place = await sandbox();
      const running = await start(place, { "a.yml": workflow(job("a", LONG)) });
      await untilLine(running, '"line":"waiting"');
      running.kill("SIGINT");
      const { end, pid } = await ended(running);
      expect(end.exitCode).toBe(130);
      await expectNothingLeft(place, pid);
    });

    it("go when Hearth is killed, and what it left is listed until it is reaped", async () => {
      await using place = await sandbox();
      const running = await start(place, { "a.yml": workflow(job("a", LONG)) });
      await untilLine(running, '"line":"waiting"');
      running.kill("SIGKILL");
      const { pid } = await ended(running);
      const left = await listed(place, pid);
      // A run of somebody else on this host may have reaped it already.
      expect(left.filter(({ state }) => state !== "left behind")).toEqual([]);
      expect((await place.run(["machines", "reap"])).exitCode).toBe(0);
      await expectNothingLeft(place, pid);
    });
  });
}

async function ended(running: RunningHearth): Promise<Ended> {
  const over = new AbortController();
  const watching = (async () => {
    let most = 0;
    for (; !over.signal.aborted; await delay(25)) most = Math.max(most, await machinesOf(running.pid));
    return most;
  })();
  const end = await running.ended;
  over.abort();
  const lines = end.stdout.split("\n").filter((line) => line.includes('"type":"summary"'));
  return {
    end,
    events: parseEvents(end.stdout),
    summaries: lines.map((line): Ended["summaries"][number] => JSON.parse(line)),
    mostSeen: await watching,
    pid: running.pid,
  };
}

async function untilLine(running: RunningHearth, text: string): Promise<void> {
  for await (const line of createInterface({ input: running.stdout })) if (line.includes(text)) return;
  throw new Error(`it ended without saying ${text}`);
}

/** Those of this install that `pid` owns, as the command says it. */
async function listed(place: Sandbox, pid: number): Promise<readonly { readonly state: string }[]> {
  const { stdout } = await place.run(["machines", "list", "--json"]);
  const all: { readonly state: string; readonly ownerPid: number }[] = JSON.parse(stdout);
  return all.filter(({ ownerPid }) => ownerPid === pid);
}

async function expectNothingLeft(place: Sandbox, pid: number): Promise<void> {
  await expect.poll(() => leftovers(place), { timeout: 20_000 }).toEqual([]);
  expect(await listed(place, pid)).toEqual([]);
}

function machinesIn(events: readonly Event[]): number {
  return events.filter((event) => event.type === "machine_ready").length;
}

/** From ready to destroyed. */
function mostIn(events: readonly Event[]): number {
  let [there, most] = [0, 0];
  for (const { type } of events) {
    if (type === "machine_ready") there += 1;
    if (type === "machine_destroyed") there -= 1;
    most = Math.max(most, there);
  }
  return most;
}

/** Children of Hearth that are machines, by what a sandbox and a QEMU are told; a probe of either is told neither. */
async function machinesOf(pid: number): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  const commands = await Promise.all(
    children
      .split(" ")
      .filter((child) => child !== "")
      .map((child) => readFile(`/proc/${child}/cmdline`, "utf8").catch(() => "")),
  );
  return commands.filter((command) => /\0(?:--bundle=|-name\0hearth-)/.test(command)).length;
}
