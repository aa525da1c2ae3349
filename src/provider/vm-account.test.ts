import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { takeVmAccount } from "./vm-account.ts";
import type { VmAccount } from "./vm-account.ts";

const { signal } = new AbortController();
let dataDir = "";
/** In which no process of this host is: other machines may run on it. */
let proc = "";
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "hearth-test-account-"));
  proc = join(dataDir, "proc");
  await mkdir(proc);
});
afterEach(async () => rm(dataDir, { recursive: true }));

const take = (): Promise<VmAccount> => takeVmAccount(dataDir, signal, proc);
const slots = async (): Promise<string[]> =>
  (await readdir(join(dataDir, "accounts"))).filter((name) => name !== ".lock").toSorted();

describe("a machine's account", () => {
  it("is no other machine's, however many are taken at once, and nobody's afterwards", async () => {
    const accounts = await Promise.all(Array.from({ length: 20 }, take));
    expect(new Set(accounts.map(({ uid }) => uid)).size).toBe(20);
    for (const { uid, gid } of accounts) {
      expect(gid).toBe(uid);
      expect(uid).toBeGreaterThan(65_535);
      expect(uid).toBeLessThan(2 ** 31);
    }
    await Promise.all(accounts.map((account) => account[Symbol.asyncDispose]()));
    expect(await slots()).toEqual([]);
  });

  it("of a process that is gone is given out again", async () => {
    await using first = await take();
    const dead = { pid: 2 ** 22 + 1, bootId: "another boot", startTicks: "1" };
    await writeFile(join(dataDir, "accounts", "1"), JSON.stringify(dead));
    await using second = await take();
    expect(second.uid).toBe(first.uid + 1);
  });

  it("is not given out while a process has it, whatever became of its owner", async () => {
    const first = await take();
    await first[Symbol.asyncDispose]();
    const process = join(proc, "77");
    await mkdir(process);
    const status = (state: string) => `Name:\tqemu\nState:\t${state}\nUid:\t0\t${first.uid}\t0\t0\n`;
    await writeFile(join(process, "status"), status("S (sleeping)"));
    const second = await take();
    expect(second.uid).toBe(first.uid + 1);
    await second[Symbol.asyncDispose]();
    await writeFile(join(process, "status"), status("Z (zombie)"));
    await using third = await take();
    expect(third.uid).toBe(first.uid);
  });

  it.skipIf(process.getuid?.() !== 0)("is found among this host's processes", async () => {
    const first = await takeVmAccount(dataDir, signal);
    await first[Symbol.asyncDispose]();
    const machine = spawn("sleep", ["1000"], { uid: first.uid, gid: first.gid, stdio: "ignore", cwd: "/" });
    const ended = once(machine, "exit");
    try {
      await once(machine, "spawn");
      await using second = await takeVmAccount(dataDir, signal);
      expect(second.uid).not.toBe(first.uid);
    } finally {
      machine.kill("SIGKILL");
      await ended;
    }
  });

  it("that cannot be read is somebody's", async () => {
    await using first = await take();
    await writeFile(join(dataDir, "accounts", "1"), "{");
    await using second = await take();
    expect(second.uid).toBe(first.uid + 2);
  });
});
