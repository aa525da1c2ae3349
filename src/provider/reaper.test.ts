import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { identifyProcess } from "../lib/process-identity.ts";
import type { ProcessIdentity } from "../lib/process-identity.ts";
import { claimsDirectory, readClaims, writeClaim } from "./machine-claims.ts";
import type { MachineClaim } from "./machine-claims.ts";
import { inspectMachines, listMachines } from "./machine-list.ts";
import { reap } from "./reaper.ts";

let root: string;
let children: ChildProcess[];
let gone: ProcessIdentity;
const own = identifyProcess(process.pid);

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hearth-reaper-"));
  children = [];
  const owner = await start("sleep");
  gone = identifyProcess(owner.pid ?? 0);
  await end(owner);
});

afterEach(async () => {
  await Promise.all(children.map(end));
  await rm(root, { recursive: true, force: true });
});

/** A process that does nothing, under the name of `program`. */
async function start(program: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  const script = "process.stdout.write('up'); setInterval(() => undefined, 60_000)";
  const child = spawn(process.execPath, ["-e", script, "--", ...args], {
    argv0: program,
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "ignore"],
  });
  children.push(child);
  await once(child.stdout, "data");
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

async function signalOf(child: ChildProcess): Promise<string | null> {
  if (child.signalCode === null && child.exitCode === null) await once(child, "exit");
  return child.signalCode;
}

const isRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;

function claim(machine: string, rest: Partial<MachineClaim> = {}, install = "ours"): void {
  writeClaim(claimsDirectory(join(root, install)), {
    machine,
    name: machine,
    provider: "gvisor",
    memoryMib: 1024,
    cpus: 1,
    since: "2026-11-22T10:00:00.000Z",
    owner: gone,
    state: "held",
    warm: false,
    run: undefined,
    runDir: join(root, "run"),
    temporary: join(root, "tmp"),
    ...rest,
  });
}

async function ownedDirectory(path: string, owner: ProcessIdentity): Promise<void> {
  await mkdir(path, { recursive: true });
  await writeFile(join(path, ".hearth-owner"), JSON.stringify(owner));
  await writeFile(join(path, "file"), "x");
}

const places = (): { dataDir: string; runDir: string } => ({ dataDir: join(root, "ours"), runDir: join(root, "run") });

describe("the reaper", () => {
  it("ends what a killed Hearth left of a machine: processes, directories, the claim", async () => {
    claim("m1-1");
    const sandbox = await start("runsc-sandbox", [`--root=${root}/run/m1-1/state`]);
    const vm = await start("/usr/bin/qemu-system-x86_64", ["-name", "hearth-m1-1"]);
    await ownedDirectory(join(root, "run", "m1-1"), gone);
    expect(await inspectMachines(places().dataDir)).toMatchObject({
      status: "fail",
      detail: expect.stringMatching(/1 left/),
    });
    expect(new Set((await listMachines(places().dataDir))[0]?.pids)).toEqual(new Set([sandbox.pid, vm.pid]));

    const lines = await reap(places());

    expect([await signalOf(sandbox), await signalOf(vm)]).toEqual(["SIGKILL", "SIGKILL"]);
    expect(existsSync(join(root, "run", "m1-1"))).toBe(false);
    expect(await listMachines(places().dataDir)).toEqual([]);
    for (const { pid } of [sandbox, vm]) expect(lines.join("\n")).toContain(`m1-1: ended process ${pid}`);
    expect(await reap(places())).toEqual([]);
  });

  it("touches no foreign machine: of nobody, of another install, of an owner that lives, of a name that is longer", async () => {
    claim("m1-1");
    claim("m2-1", { owner: own });
    claim("m3-1", {}, "theirs");
    const spared = await Promise.all([
      start("qemu-system-x86_64", ["-name", "debian"]),
      start("runsc", ["--root=/var/run/docker/runtime-runc", "m1"]),
      start("qemu-system-x86_64", ["-name", "hearth-m2-1"]),
      start("runsc-sandbox", [`--root=${root}/run/m3-1/state`]),
      start("runsc-sandbox", [`--root=${root}/run/m1-11/state`]),
      start("qemu-system-x86_64", ["-name", "hearth-mm1-1"]),
      // Somebody looks at what was left.
      start("tail", ["-f", `${root}/run/m1-1/console`]),
    ]);
    await ownedDirectory(join(root, "run", "m2-1"), own);
    await ownedDirectory(join(root, "run", "m3-1"), gone);
    await ownedDirectory(join(root, "run", "m1-11"), own);

    await reap(places());

    expect(spared.map(isRunning)).toEqual(spared.map(() => true));
    expect((await readdir(join(root, "run"))).toSorted()).toEqual(["m1-11", "m2-1", "m3-1"]);
    expect(readClaims(claimsDirectory(join(root, "ours"))).map(({ machine }) => machine)).toEqual(["m2-1"]);
    expect(readClaims(claimsDirectory(join(root, "theirs")))).toHaveLength(1);
  });

  it("removes the empty directory that a machine had before and after it named its owner", async () => {
    claim("m1-1");
    const directories = [join(root, "run", "m1-1"), join(places().dataDir, "jail", "firecracker", "m1-1")];
    for (const directory of [...directories, join(root, "run", "m2-1")]) await mkdir(directory, { recursive: true });
    await reap(places());
    expect(directories.map((path) => existsSync(path))).toEqual([false, false]);
    expect(await readdir(join(root, "run"))).toEqual(["m2-1"]);
  });

  it("takes a pid that is used again for another process", async () => {
    claim("m1-1", { owner: { ...own, startTicks: "1" } });
    claim("m2-1", { owner: { ...own, bootId: "of-an-earlier-boot" } });
    await reap(places());
    expect(await listMachines(places().dataDir)).toEqual([]);
  });

  it("ends the steps that a killed Hearth left on the host itself", async () => {
    claim("m1-1", { provider: "host" });
    const directory = join(root, "tmp", "hearth-host-m1-1-Ab3");
    await ownedDirectory(directory, gone);
    const step = await start("node", [], { RUNNER_TEMP: `${directory}/work/_temp` });
    const other = await start("node", [], { RUNNER_TEMP: join(root, "tmp", "hearth-host-m1-11-Ab3") });

    await reap(places());

    expect(await signalOf(step)).toBe("SIGKILL");
    expect(isRunning(other)).toBe(true);
    expect(existsSync(directory)).toBe(false);
  });

  it("never follows a claim to where it says: a directory must name the same kind of owner", async () => {
    const precious = join(root, "run", "m1-1");
    await mkdir(precious, { recursive: true });
    await writeFile(join(precious, "file"), "x");
    claim("m1-1");
    const claims = claimsDirectory(join(root, "ours"));
    await writeFile(join(claims, "m9-1.json"), JSON.stringify({ machine: "../../m1-1" }));
    await reap(places());
    expect(existsSync(join(precious, "file"))).toBe(true);
  });

  it("removes damaged claims and unfinished work when they are old, and not before", async () => {
    const { dataDir } = places();
    const claims = claimsDirectory(dataDir);
    const made = [
      join(claims, "m1-1.json"),
      ...["machines/.unnamed-x", "machines/.state-x", "probe-x"].map((name) => join(dataDir, name)),
    ];
    await mkdir(claims, { recursive: true });
    await writeFile(made[0] ?? "", "{");
    for (const path of made.slice(1)) await mkdir(path, { recursive: true });
    await mkdir(join(dataDir, "machines", "kept"));
    await reap(places());
    expect(made.map((path) => existsSync(path))).toEqual([true, true, true, true]);

    for (const path of [...made, join(dataDir, "machines", "kept")]) await utimes(path, new Date(0), new Date(0));
    await reap(places());
    expect(made.map((path) => existsSync(path))).toEqual([false, false, false, false]);
    expect(existsSync(join(dataDir, "machines", "kept"))).toBe(true);
  });

  it("gives back the accounts of machines that are gone, and no others", async () => {
    const accounts = join(places().dataDir, "accounts");
    await mkdir(accounts, { recursive: true });
    await writeFile(join(accounts, "0"), JSON.stringify(gone));
    await writeFile(join(accounts, "1"), JSON.stringify(own));
    await reap(places());
    expect((await readdir(accounts)).filter((name) => name !== ".lock")).toEqual(["1"]);
  });

  it("may be called by several at once, and where nothing was ever made", async () => {
    expect(await reap(places())).toEqual([]);
    claim("m1-1");
    const sandbox = await start("runsc-sandbox", [`--root=${root}/run/m1-1/state`]);
    await ownedDirectory(join(root, "run", "m1-1"), gone);
    await Promise.all([reap(places()), reap(places()), reap(places())]);
    expect(await signalOf(sandbox)).toBe("SIGKILL");
    expect(await listMachines(places().dataDir)).toEqual([]);
  });
});
