import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { takeVmAccount } from "./vm-account.ts";

const { signal } = new AbortController();
let dataDir = "";
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "hearth-test-account-"));
});
afterEach(async () => rm(dataDir, { recursive: true }));

const slots = async (): Promise<string[]> =>
  (await readdir(join(dataDir, "accounts"))).filter((name) => name !== ".lock").toSorted();

describe("a machine's account", () => {
  it("is no other machine's, however many are taken at once, and nobody's afterwards", async () => {
    const accounts = await Promise.all(Array.from({ length: 20 }, () => takeVmAccount(dataDir, signal)));
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
    await using first = await takeVmAccount(dataDir, signal);
    const dead = { pid: 2 ** 22 + 1, bootId: "another boot", startTicks: "1" };
    await writeFile(join(dataDir, "accounts", "1"), JSON.stringify(dead));
    await using second = await takeVmAccount(dataDir, signal);
    expect(second.uid).toBe(first.uid + 1);
  });

  it("that cannot be read is somebody's", async () => {
    await using first = await takeVmAccount(dataDir, signal);
    await writeFile(join(dataDir, "accounts", "1"), "{");
    await using second = await takeVmAccount(dataDir, signal);
    expect(second.uid).toBe(first.uid + 2);
  });
});
