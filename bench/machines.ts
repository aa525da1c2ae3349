/**
 * Each provider that works here, in one run: from nothing and from a template to the first command's end, a machine of the pool to
 * the first output of a step, what a step costs, the memory of an idle machine, and many at once. Machines are made by the
 * wired program in a data directory of its own, so that the templates of this host stay as they are.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { compose } from "../src/compose.ts";
import { loadConfig } from "../src/config.ts";
import type { Config } from "../src/config.ts";
import { createHostMachines } from "../src/host-machines.ts";
import { openAgent } from "../src/protocol/open-agent.ts";
import type { AgentClient } from "../src/protocol/agent-client.ts";
import { processesOfMachines } from "../src/provider/machine-processes.ts";
import type { Machine, MachineSpec, Provider, ProviderName } from "../src/provider/provider.ts";
import { reportSamples, sampleAt, say } from "./samples.ts";

interface Amounts {
  readonly name: ProviderName;
  readonly cold: number;
  readonly restored: number;
  readonly pooled: number;
  readonly atOnce: readonly number[];
}

const ALL: readonly Amounts[] = [
  { name: "host", cold: 10, restored: 0, pooled: 0, atOnce: [] },
  { name: "gvisor", cold: 10, restored: 30, pooled: 30, atOnce: [1, 10, 50] },
  { name: "qemu", cold: 4, restored: 10, pooled: 10, atOnce: [1, 5, 10] },
];
const STEPS = 30;
const MEMORY_MIB = 1024;
/** What a machine is made of; templates are not. */
const SHARED = ["bin", "images", "kernels", "tools"];
const READY_POLL_MS = 20;
const POOL_DEADLINE_MS = 120_000;

const { signal } = new AbortController();

/** `only`: a provider's name; undefined: all. */
export async function measureMachines(only: string | undefined): Promise<void> {
  const load = loadavg().map((value) => value.toFixed(1));
  say(`\nMachines of 1 core and ${MEMORY_MIB} MiB; ${availableParallelism()} cores, load ${load.join(" ")}`);
  for (const amounts of ALL.filter(({ name }) => name === (only ?? name))) {
    try {
      await measureProvider(amounts);
    } catch (error) {
      say(`  ${amounts.name}: not measured: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

async function measureProvider(amounts: Amounts): Promise<void> {
  using own = ownDataDirectory();
  const environment = { ...process.env, HEARTH_DATA: own.path, HEARTH_WARM_MACHINES: "1" };
  const config = loadConfig({ provider: amounts.name }, environment, process.cwd());
  const hearth = compose(config, environment);
  const { provider, isolation } = await hearth.chooseProvider();
  let coldReasons = 0;
  hearth.onMachineProgress((line) => (coldReasons += /not copied from a template/.test(line) ? 1 : 0));
  say(`  ${isolation}`);
  if (provider.capabilities.isolation === "none") {
    reportSamples("start to the first command's end", await repeat(amounts.cold, () => firstExecMs(provider)));
    return reportSamples("a step (bash -e -c true)", await stepsMs(provider));
  }

  const madeMs = await firstExecMs(provider);
  reportSamples("the very first: template made, and a copy", [madeMs]);
  using forbidden = forbidTemplates(own.path);
  const cold = await repeat(amounts.cold, () => firstExecMs(provider));
  if (coldReasons !== amounts.cold) throw new Error(`${coldReasons} of ${amounts.cold} cold machines were cold`);
  reportSamples("cold to the first command's end", cold);
  forbidden[Symbol.dispose]();
  const restored = await repeat(amounts.restored, () => firstExecMs(provider));
  reportSamples("restored to the first command's end", restored);
  say(
    `    cold / restored, of the medians                    ${(sampleAt(cold, 0.5) / sampleAt(restored, 0.5)).toFixed(1)}x`,
  );
  reportSamples("taken from the pool to a step's first output", await pooledMs(config, provider, amounts.pooled));
  reportSamples("a step (bash -e -c true)", await stepsMs(provider));
  for (const count of amounts.atOnce) await measureAtOnce(provider, count);
  if (coldReasons !== amounts.cold) throw new Error("some machines were not copied from the template");
}

/** Provisioned, asked, one command run: what a step would wait for. */
async function firstExecMs(provider: Provider): Promise<number> {
  const startedAt = performance.now();
  await using machine = await provider.provision(newSpec(), signal);
  await using agent = await openAgent(machine.agent);
  await exec(agent, "true");
  return performance.now() - startedAt;
}

/** The pool is the one of runs: it makes the next machine while this one is measured. */
async function pooledMs(config: Config, provider: Provider, count: number): Promise<number[]> {
  await using machines = createHostMachines(config);
  const pooled = machines.providerFor(provider, {
    run: "bench",
    keepsMachines: true,
    pooled: true,
    onWait: () => undefined,
  });
  // Asked once, so that the pool knows what is wanted.
  machines.expectRuns(1);
  await firstExecMs(pooled);
  return await repeat(count, async () => {
    const deadline = performance.now() + POOL_DEADLINE_MS;
    while (machines.metrics().every(({ ready }) => ready === 0)) {
      if (performance.now() > deadline) throw new Error("the pool has made no machine");
      await delay(READY_POLL_MS);
    }
    const startedAt = performance.now();
    await using machine = await pooled.provision(newSpec(), signal);
    if (machine.warm !== true) throw new Error("the pool gave a machine that was not ready");
    await using agent = await openAgent(machine.agent);
    return (await exec(agent, "echo first; sleep 0.1")) - startedAt;
  });
}

async function stepsMs(provider: Provider): Promise<number[]> {
  await using machine = await provider.provision(newSpec(), signal);
  await using agent = await openAgent(machine.agent);
  const { env } = await agent.ready();
  await exec(agent, "true", env);
  return await repeat(STEPS, async () => {
    const startedAt = performance.now();
    await exec(agent, "true", env);
    return performance.now() - startedAt;
  });
}

/** All made, and all of them have answered, while all are there. */
async function measureAtOnce(provider: Provider, count: number): Promise<void> {
  const startedAt = performance.now();
  const machines = await Promise.allSettled(
    Array.from({ length: count }, async () => {
      const machine = await provider.provision(newSpec(), signal);
      const agent = await openAgent(machine.agent);
      await exec(agent, "true");
      return { machine, agent };
    }),
  );
  const elapsedMs = performance.now() - startedAt;
  const made = machines.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  try {
    const again = await Promise.all(made.map(({ agent }) => exec(agent, "echo here")));
    const mib = await memoryMib(made.map(({ machine }) => machine));
    const title = `${count} at once, ${again.length} answer`.padEnd(52);
    say(`    ${title} ${(elapsedMs / 1000).toFixed(2).padStart(8)} s    memory ${mib.toFixed(0)} MiB each (PSS)`);
  } finally {
    await Promise.all(made.map(({ machine }) => machine[Symbol.asyncDispose]()));
  }
  const failed = machines.find((one) => one.status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

/** Of all that a machine has on this host, pages that several share counted in parts. */
async function memoryMib(machines: readonly Machine[]): Promise<number> {
  const processes = [...(await processesOfMachines(machines.map(({ id }) => id))).values()].flat();
  const sizes = processes.map(({ pid }) => Number(/^Pss:\s+(\d+) kB$/m.exec(rollup(pid))?.[1] ?? 0));
  return sizes.reduce((sum, size) => sum + size, 0) / 1024 / Math.max(1, machines.length);
}

function rollup(pid: number): string {
  return readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
}

/** Resolves to when its first output came, or its end where there was none. Without `known` it asks, as a run does once. */
async function exec(agent: AgentClient, script: string, known?: Record<string, string>): Promise<number> {
  const env = known ?? (await agent.ready()).env;
  let first: number | undefined;
  const argv = ["bash", "-e", "-c", script];
  const request = { id: `bench-${++commands}`, argv, env, cwd: "/", user: "runner" as const, write: [], read: [] };
  const { code } = await agent.exec(request, () => {
    first ??= performance.now();
  });
  if (code !== 0) throw new Error(`${script} ended with ${code}`);
  return first ?? performance.now();
}

let commands = 0;
let machineNumber = 0;

function newSpec(): MachineSpec {
  const id = `bench-${process.pid}-${++machineNumber}`;
  return { id, cpus: 1, memoryMib: MEMORY_MIB, certificateAuthorities: undefined, image: undefined };
}

interface OwnDirectory extends Disposable {
  readonly path: string;
}

function ownDataDirectory(): OwnDirectory {
  const { dataDir } = loadConfig({}, process.env, process.cwd());
  // On the same disk: a template is a file that its copies map.
  const path = mkdtempSync(`${dataDir}-bench-`);
  mkdirSync(join(path, "templates"), { mode: 0o700 });
  for (const name of SHARED.filter((one) => readdirSync(dataDir).includes(one))) {
    // Links of files take no room, and every path stays below this directory.
    execFileSync("cp", ["--archive", "--link", join(dataDir, name), join(path, name)]);
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Until it is disposed of, the templates there say that their machines cannot be saved, so that each is started from nothing. */
function forbidTemplates(dataDir: string): Disposable {
  const parent = join(dataDir, "templates");
  const manifests = readdirSync(parent)
    .filter((name) => !name.startsWith("."))
    .map((name) => join(parent, name, "template.json"));
  const kept = manifests.map((path) => ({ path, text: readFileSync(path, "utf8") }));
  if (kept.length === 0) throw new Error("no template was made");
  for (const { path, text } of kept) writeFileSync(path, JSON.stringify({ ...JSON.parse(text), impossible: "bench" }));
  return { [Symbol.dispose]: () => kept.forEach(({ path, text }) => writeFileSync(path, text)) };
}

async function repeat(times: number, measure: () => Promise<number>): Promise<number[]> {
  const samples: number[] = [];
  for (let count = 0; count < times; count += 1) samples.push(await measure());
  return samples;
}
