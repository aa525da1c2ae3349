/**
 * What going back costs: a machine saved and restored with nothing, 100 MB and 1 GB changed; a hundred saves and a hundred restores in a row;
 * forks of one moment; what 20 steps take on the disk; the share of a run that checkpoints taken by themselves cost.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { compose } from "../src/compose.ts";
import { loadConfig } from "../src/config.ts";
import { openAgent } from "../src/protocol/open-agent.ts";
import type { AgentClient } from "../src/protocol/agent-client.ts";
import type { Machine, MachineSpec, Provider } from "../src/provider/provider.ts";
import { reportSamples, say } from "./samples.ts";

const { signal } = new AbortController();
/** Shared memory, as a run's checkpoints are written to first. */
const MEMORY = "/dev/shm";
const MEMORY_MIB = 4096;
const CHANGES = [
  { name: "nothing changed", script: "true", times: 30 },
  { name: "150 MB in files of 30 kB", script: files(150), times: 10 },
  { name: "100 MB of files", script: "head -c 100000000 /dev/urandom > ~/changed", times: 10 },
  { name: "1 GB of files", script: "head -c 1000000000 /dev/urandom > ~/changed", times: 3 },
];
const IN_A_ROW = 100;

/** `only`: a provider that can save; undefined: gVisor. */
export async function measureTimeTravel(scratch: string, hearth: string, only = "gvisor"): Promise<void> {
  say(
    `\nTime travel with ${only}; load ${loadavg()
      .map((value) => value.toFixed(1))
      .join(" ")}`,
  );
  const config = loadConfig({ provider: only }, process.env, process.cwd());
  const wired = compose(config, process.env);
  const { provider } = await wired.chooseProvider();
  for (const change of CHANGES) await measureChange(provider, change);
  await measureInARow(provider);
  measureRuns(scratch, hearth, only);
  await wired.close();
}

async function measureChange(provider: Provider, { name, script, times }: (typeof CHANGES)[number]): Promise<void> {
  await using machine = await provider.provision(newSpec(), signal);
  let agent = await openAgent(machine.agent);
  await exec(agent, script);
  const [saved, restored]: [number[], number[]] = [[], []];
  let bytes = 0;
  for (let count = 0; count < times; count += 1) {
    using place = temporary();
    const startedAt = performance.now();
    agent = await saveOnce(machine, agent, place.path);
    saved.push(performance.now() - startedAt);
    bytes = sizeOf(place.path);
    const from = performance.now();
    await using copy = await provider.restore?.(newSpec(), place.path, signal);
    if (copy === undefined) throw new Error(`${provider.name} restores nothing`);
    await using inCopy = await openAgent(copy.agent);
    await exec(inCopy, "true");
    restored.push(performance.now() - from);
  }
  await agent[Symbol.asyncDispose]();
  reportSamples(`${name}: saved (${(bytes / 1e6).toFixed(0)} MB)`, saved);
  reportSamples(`${name}: restored to a command's end`, restored);
}

/** A machine is saved, restored, saved again: no two of them are the same machine. */
async function measureInARow(provider: Provider): Promise<void> {
  const startedAt = performance.now();
  let machine = await provider.provision(newSpec(), signal);
  let agent = await openAgent(machine.agent);
  for (let count = 1; count <= IN_A_ROW; count += 1) {
    using place = temporary();
    await exec(agent, `echo ${count} >> ~/rounds`);
    agent = await saveOnce(machine, agent, place.path);
    const next = await provider.restore?.(newSpec(), place.path, signal);
    if (next === undefined) throw new Error(`${provider.name} restores nothing`);
    await agent[Symbol.asyncDispose]();
    await machine[Symbol.asyncDispose]();
    machine = next;
    agent = await openAgent(next.agent);
  }
  const { env } = await agent.ready();
  let rounds = "";
  const request = { id: "rounds", argv: ["sh", "-c", "wc -l < ~/rounds"], env, cwd: "/", user: "runner" as const };
  await agent.exec({ ...request, write: [], read: [] }, (_, chunk) => void (rounds += chunk.toString()));
  await agent[Symbol.asyncDispose]();
  await machine[Symbol.asyncDispose]();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  say(`    ${IN_A_ROW} saved and restored one out of the other: ${rounds.trim()} rounds are in the last, ${seconds} s`);
}

function measureRuns(scratch: string, hearth: string, provider: string): void {
  const project = join(scratch, "time-travel");
  mkdirSync(join(project, ".github/workflows"), { recursive: true });
  const env = { ...process.env, HEARTH_STATE: join(scratch, "state"), NO_COLOR: "1" };
  const run = (...args: readonly string[]): string =>
    spawnSync(process.execPath, [hearth, ...args], { cwd: project, env, encoding: "utf8" }).stdout;
  const write = (steps: readonly string[]): void =>
    writeFileSync(
      join(project, ".github/workflows/ci.yml"),
      `on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n${steps.map((step) => `      - run: ${step}\n`).join("")}`,
    );
  execFileSync("git", ["init", "-q"], { cwd: project });

  write(Array.from({ length: 20 }, (_, index) => `head -c 1000000 /dev/urandom > file-${index}`));
  run("run", "--provider", provider, "--checkpoint", "steps");
  const { checkpoints, diskBytes } = JSON.parse(run("checkpoints", "list", "--json"));
  const machines = checkpoints.reduce((sum: number, one: { machineBytes: number }) => sum + one.machineBytes, 0);
  say(`    20 steps of 1 MB: ${mb(diskBytes)} on the disk, of machines that hold ${mb(machines)} together`);
  const rewinds = Array.from({ length: 10 }, () =>
    timed(() => run("rewind", "--to", "10", "--job", "a", "--exec", "true")),
  );
  reportSamples("hearth rewind to a command's end, all of it", rewinds);
  for (const count of [5, 20]) {
    const tookMs = timed(() =>
      run("fork", "--at", "20", "--job", "a", "-n", String(count), "--exec", "true", "--json"),
    );
    say(`    ${`${count} forks, each answering`.padEnd(52)} ${(tookMs / 1000).toFixed(2)} s`);
  }

  const examples = {
    "60 steps of 0.2 s": Array.from({ length: 60 }, () => "sleep 0.2"),
    "6 steps of 5 s": Array.from({ length: 6 }, () => "sleep 5"),
    "3 steps that write 50 MB": Array.from(
      { length: 3 },
      (_, at) => `head -c 50000000 /dev/urandom > big-${at}; sleep 6`,
    ),
  };
  for (const [name, steps] of Object.entries(examples)) {
    write(steps);
    const events = run("run", "--provider", provider, "--checkpoint", "auto", "--json").trim().split("\n");
    const parsed = events.map((line) => JSON.parse(line));
    const held = parsed.filter(({ type }) => type === "checkpoint").map(({ durationMs }) => durationMs);
    const total = parsed.find(({ type }) => type === "run_completed")?.durationMs ?? 0;
    const sum = held.reduce((one: number, other: number) => one + other, 0);
    const share = ((100 * sum) / total).toFixed(1);
    say(`    auto, ${name}: ${held.length} taken, held up ${sum} of ${total} ms (${share} %)`);
  }
}

async function saveOnce(machine: Machine, agent: AgentClient, directory: string): Promise<AgentClient> {
  const after = await machine.save?.(directory, signal);
  if (after === undefined || after.failure !== undefined)
    throw new Error(`not saved: ${after?.failure ?? "it cannot"}`);
  await agent[Symbol.asyncDispose]();
  return openAgent(after.agent);
}

async function exec(agent: AgentClient, script: string): Promise<void> {
  const { env } = await agent.ready();
  const request = { id: `bench-${++commands}`, argv: ["bash", "-ec", script], env, cwd: "/", user: "runner" as const };
  const { code } = await agent.exec({ ...request, write: [], read: [] }, () => undefined);
  if (code !== 0) throw new Error(`${script} ended with ${code}`);
}

let commands = 0;
let machineNumber = 0;

function newSpec(): MachineSpec {
  const id = `bench-${process.pid}-t${++machineNumber}`;
  return { id, cpus: 1, memoryMib: MEMORY_MIB, certificateAuthorities: undefined, image: undefined };
}

/** Like what a package manager leaves. */
function files(megabytes: number): string {
  const count = Math.round((megabytes * 1e6) / 30_000);
  return `mkdir ~/m; head -c ${megabytes}000000 /dev/urandom | split -b 30000 -a 5 - ~/m/f; ls ~/m | wc -l | grep -q '^${count}$'`;
}

function temporary(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(MEMORY, "hearth-bench-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function sizeOf(directory: string): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}

function timed(work: () => unknown): number {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
