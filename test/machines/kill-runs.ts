/**
 * Runs with `kill -9` at random moments: of Hearth, of the machine's process on this host, of the agent inside it; with foreign
 * machines beside them that nobody may touch: a plain QEMU, a plain runsc, and the run of another Hearth install. After each,
 * the reaper's next pass must leave nothing. `scripts/kill-runs.ts` does so a hundred times, `kill-gvisor.test.ts` a few times.
 */
import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, symlink, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { claimsDirectory, readClaims } from "../../src/provider/machine-claims.ts";
import type { RunEvent } from "../../src/store/run-event.ts";
import { parseEvents } from "../example-record.ts";
import { leftovers } from "../leftovers.ts";
import { sandbox } from "../run-hearth.ts";
import type { HearthEnd, RunningHearth, Sandbox } from "../run-hearth.ts";
import { randomFrom } from "../seeded-random.ts";
import { dataDir } from "./gvisor-fixture.ts";

const VICTIMS = ["hearth", "machine", "agent"] as const;
type Victim = (typeof VICTIMS)[number];

export interface KillOptions {
  readonly provider: "gvisor" | "qemu";
  readonly runs: number;
  /** The same seed strikes at the same moments, as far as the host allows. */
  readonly seed: number;
  /** Moments are chosen from the start of Hearth to so long after it. */
  readonly withinMs: number;
  readonly progress: (line: string) => void;
}

export interface Kill {
  readonly victim: Victim;
  readonly afterMs: number;
  /** What the record says; undefined where Hearth was killed before there was one. */
  readonly cause: string | undefined;
  /** The record names what was struck, or there is none. */
  readonly isRight: boolean;
  /** From the strike to the end of Hearth. */
  readonly endedMs: number;
  readonly reapedMs: number;
  /** How much there was before the reaper's pass. */
  readonly found: number;
  /** After the reaper's pass; empty when all is well. */
  readonly left: readonly string[];
}

export interface KillFigures {
  readonly kills: readonly Kill[];
  /** Foreign machines that were not alive at the end. */
  readonly foreignLost: readonly string[];
}

/** Strikes the agent by itself when it is told to: from outside nobody can. */
const WORKFLOW = `on: push
jobs:
  long:
    runs-on: ubuntu-latest
    steps:
      - run: echo first
      - run: |
          sleep "$STRIKE_AFTER"
          for process in /proc/[0-9]*; do
            if tr '\\0' ' ' < "$process/cmdline" | grep -q '^[^ ]*node .*agent'; then sudo kill -9 "\${process#/proc/}"; fi
          done
          sleep 300
`;
/** How the record calls it, whenever it was struck. */
const CAUSES: Readonly<Record<Victim, string>> = { hearth: "killed", machine: "killed", agent: "agent_ended" };
const NEVER_SECONDS = "86400";
const FOUND_DEADLINE_MS = 60_000;
const STRIKE_AGAIN_MS = 5_000;

export async function killRuns(options: KillOptions): Promise<KillFigures> {
  await using place = await sandbox();
  const data = await install(join(place.directory, "data"));
  await using foreign = await foreignMachines(options.provider);
  const random = randomFrom(options.seed);
  const kills: Kill[] = [];
  for (let number = 1; number <= options.runs; number++) {
    const victim = VICTIMS[Math.floor(random() * VICTIMS.length)] ?? "hearth";
    const kill = await killOne(place, data, { ...options, victim, afterMs: Math.floor(random() * options.withinMs) });
    kills.push(kill);
    const { afterMs, cause = "no record yet", isRight, endedMs, found, left } = kill;
    const rest = left.length === 0 ? "0 left" : `LEFT: ${left.join("; ")}`;
    options.progress(
      `${number}: ${victim} after ${afterMs} ms: ${isRight ? "" : "WRONG: "}${cause}, over in ${endedMs} ms, ${found} found, ${rest}`,
    );
  }
  return { kills, foreignLost: foreign.lost() };
}

async function killOne(
  place: Sandbox,
  data: string,
  { provider, victim, afterMs }: KillOptions & { readonly victim: Victim; readonly afterMs: number },
): Promise<Kill> {
  const running = await startRun(place, data, provider, victim === "agent" ? String(afterMs / 1000) : NEVER_SECONDS);
  let struckAtMs = performance.now();
  if (victim === "agent") {
    // The step says it by dying: near enough for a figure is when it began, and what it slept.
    await untilStep(running);
    struckAtMs = performance.now() + afterMs;
  } else {
    await delay(afterMs);
    struckAtMs = await strike(running, victim);
  }
  const end = await running.ended;
  const endedMs = Math.max(0, Math.round(performance.now() - struckAtMs));
  const events = parseEvents(
    end.stdout
      .split("\n")
      .filter((line) => line.endsWith("}"))
      .join("\n"),
  );
  const run = events.find((event) => event.type === "run_started")?.run;
  const found = (await leftOf(place, data)).length;
  const reapedAtMs = performance.now();
  await place.run(["machines", "reap"], { env: { HEARTH_DATA: data } });
  const reapedMs = Math.round(performance.now() - reapedAtMs);
  const cause = victim === "hearth" ? run && (await lostRun(place, run)) : causeOf(events, end);
  const isRight = cause === CAUSES[victim] || (victim === "hearth" && run === undefined);
  return { victim, afterMs, cause, isRight, endedMs, reapedMs, found, left: await leftOf(place, data) };
}

function causeOf(events: readonly RunEvent[], { exitCode, stderr }: HearthEnd): string {
  const loss = events.find((event) => event.type === "machine_lost");
  const error = events.find((event) => event.type === "run_completed")?.error;
  const last = stderr.trim().split("\n").at(-1) ?? "";
  return loss?.cause ?? `no cause, exit code ${exitCode}, ${error === undefined ? last : JSON.stringify(error)}`;
}

/** As `hearth runs` tells it of a run that cannot tell it itself. */
async function lostRun(place: Sandbox, run: string): Promise<string> {
  const kept: unknown = JSON.parse((await place.run(["runs", "--json"])).stdout);
  const found = Array.isArray(kept) ? kept.find((entry: { readonly run?: unknown }) => entry.run === run) : undefined;
  return found === undefined ? "no cause, no such run" : String(found.lost ?? found.status);
}

/** Resolves to when it struck. A machine that is killed while a template is made from it, or a copy, is made again: then again. */
async function strike(running: RunningHearth, victim: "hearth" | "machine"): Promise<number> {
  const ended = running.ended.then(() => true);
  for (;;) {
    const pids = victim === "hearth" ? [running.pid] : await machineProcesses(running.pid);
    const struckAtMs = performance.now();
    for (const pid of pids) killProcess(pid);
    if (await Promise.race([ended, delay(STRIKE_AGAIN_MS, false)])) return struckAtMs;
  }
}

async function startRun(place: Sandbox, data: string, provider: string, strikeAfter: string): Promise<RunningHearth> {
  const project = join(place.directory, "project");
  await mkdir(join(project, ".github", "workflows"), { recursive: true });
  await writeFile(join(project, ".github", "workflows", "long.yml"), WORKFLOW);
  return place.start(["run", "--provider", provider, "--json", "--env", `STRIKE_AFTER=${strikeAfter}`], {
    cwd: project,
    env: { HEARTH_DATA: data, HEARTH_MACHINE_MEMORY_MIB: "1024", HEARTH_MACHINE_CPUS: "1" },
  });
}

async function untilStep(running: RunningHearth): Promise<void> {
  for await (const line of createInterface({ input: running.stdout })) {
    if (line.includes('"type":"step_started"') && line.includes('"step":"2"')) return;
  }
}

/** What the reaper had to end, and what it may have missed. The services' own caches are kept, as after any run. */
async function leftOf(place: Sandbox, data: string): Promise<readonly string[]> {
  const claims = readClaims(claimsDirectory(data)).map(({ machine }) => `claim ${machine}`);
  const unnamed = (await readdir(join(data, "machines")).catch(() => [])).map((name) => `file ${name}`);
  const overlays = (await readdir(join(data, "overlays")).catch(() => [])).map((name) => `overlay ${name}`);
  const accounts = (await readdir(join(data, "accounts")).catch(() => []))
    .filter((name) => name !== ".lock")
    .map((name) => `account ${name}`);
  return [...(await leftovers(place)), ...claims, ...unnamed, ...overlays, ...accounts];
}

/** The sandbox or QEMU itself, below `ancestor`; waits until there is one. */
async function machineProcesses(ancestor: number): Promise<readonly number[]> {
  for (const deadline = performance.now() + FOUND_DEADLINE_MS; performance.now() < deadline; await delay(5)) {
    const found = await descendants(ancestor, /^(?:runsc-sandbox|qemu-system-\w+)$/);
    if (found.length > 0) return found;
    if (!existsSync(`/proc/${ancestor}`)) return [];
  }
  throw new Error(`Hearth ${ancestor} started no machine within ${FOUND_DEADLINE_MS / 1000} s`);
}

/** Of a process that may end at any moment. */
async function read(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}

async function descendants(pid: number, program: RegExp): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const texts = await Promise.all(threads.map((thread) => read(`/proc/${pid}/task/${thread}/children`)));
  const children = texts.flatMap((text) => text.split(" ").filter(Boolean).map(Number));
  const below = await Promise.all(children.map((child) => descendants(child, program)));
  const [name = ""] = (await read(`/proc/${pid}/cmdline`)).split("\0");
  return [...(program.test(basename(name)) ? [pid] : []), ...below.flat()];
}

/** Images and programs of this host, everything else its own. gVisor takes no root that is reached through a link. */
async function install(directory: string): Promise<string> {
  await mkdir(directory);
  for (const name of ["kernels", "bin"]) {
    if (existsSync(join(dataDir, name))) await symlink(join(dataDir, name), join(directory, name));
  }
  await promisify(execFile)("cp", ["--archive", "--link", join(dataDir, "images"), join(directory, "images")]);
  return directory;
}

interface ForeignMachines extends AsyncDisposable {
  lost(): readonly string[];
}

async function foreignMachines(provider: "gvisor" | "qemu"): Promise<ForeignMachines> {
  const place = await sandbox();
  const other = await install(join(place.directory, "data"));
  const children = new Map<string, ChildProcess>();
  const start = (name: string, argv: readonly string[]): void => {
    const [program = "", ...args] = argv;
    children.set(name, spawn(program, args, { detached: true, stdio: "ignore" }));
  };
  start("a plain QEMU", ["qemu-system-x86_64", "-S", "-display", "none", "-nodefaults", "-m", "16", "-name", "debian"]);
  start("a plain runsc", [
    join(dataDir, "bin", "runsc"),
    `--root=${join(place.directory, "runsc")}`,
    "--platform=systrap",
    "--network=none",
    "--ignore-cgroups",
    "do",
    "sleep",
    NEVER_SECONDS,
  ]);
  const run = await startRun(place, other, provider, NEVER_SECONDS);
  await untilStep(run);
  // The first process of the plain runsc is there at once, its sandbox a little later.
  const runsc = children.get("a plain runsc")?.pid ?? 0;
  const [sandboxes, machines] = [
    await (provider === "gvisor" ? machineProcesses(runsc) : descendants(runsc, /^runsc-sandbox$/)),
    await machineProcesses(run.pid),
  ];
  const watched = [
    ...[...children].map(([name, { pid = 0 }]) => ({ name, pid })),
    ...sandboxes.map((pid) => ({ name: "the sandbox of a plain runsc", pid })),
    { name: "the run of another install", pid: run.pid },
    ...machines.map((pid) => ({ name: "the machine of another install", pid })),
  ];
  return {
    lost: () => watched.filter(({ pid }) => !existsSync(`/proc/${pid}`)).map(({ name }) => name),
    async [Symbol.asyncDispose]() {
      for (const pid of [...sandboxes, ...[...children.values()].map(({ pid = 0 }) => pid)]) killProcess(pid);
      // Twice: at once, and not by the contract's ladder.
      run.kill("SIGINT");
      await delay(500);
      run.kill("SIGINT");
      await run.ended;
      await place[Symbol.asyncDispose]();
    },
  };
}

function killProcess(pid: number): void {
  if (pid === 0) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It has ended by itself, or with another one.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
