import { appendFile, mkdtemp, readFile, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fakePrograms } from "../lib/fake-programs.fixture.ts";
import { findBinaries } from "../provider/firecracker/binary.ts";
import { probeFirecracker } from "../provider/firecracker/probe.ts";
import { setupFirecracker } from "./firecracker.ts";

let dataDir = "";
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "hearth-test-setup-"));
});
afterEach(async () => rm(dataDir, { recursive: true }));

const setup = async (binary: string, jailer?: string) =>
  setupFirecracker({ dataDir, binary, jailer, progress: () => undefined, signal: new AbortController().signal });
const says = (name: string, version: string): string => `echo "${name} v${version}"`;
const host = () => ({ dataDir, uid: 0, jailer: "required" as const, device: "/dev/null", probeDeadlineMs: 1 });

describe("setupFirecracker", () => {
  it("copies both programs, writes their digests down, and they are found", async () => {
    await using programs = await fakePrograms({ fc: says("Firecracker", "1.16.1"), jail: says("Jailer", "1.16.1") });
    const { firecracker, jailer } = await setup(join(programs.directory, "fc"), join(programs.directory, "jail"));
    expect([firecracker.version, jailer?.version]).toEqual(["1.16.1", "1.16.1"]);
    expect(firecracker.sha256).toMatch(/^[0-9a-f]{64}$/);
    const path = join(dataDir, "bin", "firecracker");
    expect((await stat(path)).mode & 0o777).toBe(0o755);
    expect(await findBinaries(dataDir)).toMatchObject({
      ok: true,
      binaries: { firecracker: path, jailer: join(dataDir, "bin", "jailer"), version: "1.16.1" },
    });
    expect((await readdir(join(dataDir, "bin"))).toSorted()).toEqual([
      ".lock",
      "firecracker",
      "firecracker.json",
      "jailer",
    ]);
  });

  it("forgets an older jailer when it is given none", async () => {
    await using programs = await fakePrograms({ fc: says("Firecracker", "1.16.1"), jail: says("Jailer", "1.16.1") });
    await setup(join(programs.directory, "fc"), join(programs.directory, "jail"));
    await setup(join(programs.directory, "fc"));
    expect(await findBinaries(dataDir)).toMatchObject({ ok: true, binaries: { jailer: undefined } });
    expect(await probeFirecracker(host())).toMatchObject({
      ok: false,
      reason: "no jailer: none is registered",
      fix: expect.stringContaining("HEARTH_FIRECRACKER_JAILER=off"),
    });
  });

  it.each([
    ["is not there", undefined, "Cannot read"],
    ["fails", "echo wrong libc >&2; exit 127", "wrong libc"],
    ["is something else", "echo hello 1.2.3", "does not run as Firecracker"],
  ])("refuses a program that %s, and what was registered stays", async (_how, script, message) => {
    await using programs = await fakePrograms({
      fc: says("Firecracker", "1.16.1"),
      ...(script === undefined ? {} : { bad: script }),
    });
    await setup(join(programs.directory, "fc"));
    await expect(setup(join(programs.directory, "bad"))).rejects.toMatchObject({
      code: "SETUP_FAILED",
      message: expect.stringContaining(message),
    });
    expect(await findBinaries(dataDir)).toMatchObject({ ok: true, binaries: { version: "1.16.1" } });
    expect((await readdir(join(dataDir, "bin"))).filter((name) => name.startsWith(".firecracker-"))).toEqual([]);
  });

  it("refuses a jailer of another release", async () => {
    await using programs = await fakePrograms({ fc: says("Firecracker", "1.16.1"), jail: says("Jailer", "1.15.0") });
    await expect(setup(join(programs.directory, "fc"), join(programs.directory, "jail"))).rejects.toMatchObject({
      code: "SETUP_FAILED",
      message: "Firecracker is 1.16.1 and the jailer 1.15.0: they must be of one release",
    });
  });
});

describe("a registered Firecracker", () => {
  it("is none before it is registered, with the command that registers one", async () => {
    expect(await probeFirecracker(host())).toMatchObject({
      ok: false,
      reason: "Firecracker is not registered",
      fix: expect.stringContaining("hearth setup firecracker --binary PATH --jailer PATH"),
    });
  });

  it.each(["firecracker", "jailer"])("is not used when %s is not what it was", async (name) => {
    await using programs = await fakePrograms({ fc: says("Firecracker", "1.16.1"), jail: says("Jailer", "1.16.1") });
    await setup(join(programs.directory, "fc"), join(programs.directory, "jail"));
    await appendFile(join(dataDir, "bin", name), "# changed\n");
    expect(await probeFirecracker(host())).toMatchObject({
      ok: false,
      reason: `${join(dataDir, "bin", name)} is not what was registered: its SHA-256 is another`,
    });
  });

  it("is not used when it is too old", async () => {
    await using programs = await fakePrograms({ fc: says("Firecracker", "1.9.1") });
    await setup(join(programs.directory, "fc"));
    expect(await probeFirecracker(host())).toMatchObject({ ok: false, reason: "Firecracker 1.9.1 is older than 1.10" });
  });

  it("needs root for its jail, unless the operator does without", async () => {
    await using programs = await fakePrograms({ fc: says("Firecracker", "1.16.1"), jail: says("Jailer", "1.16.1") });
    await setup(join(programs.directory, "fc"), join(programs.directory, "jail"));
    expect(await probeFirecracker({ ...host(), uid: 1000 })).toMatchObject({ reason: "no jailer: it needs root" });
    // Then the next question: there is no kernel here.
    const without = await probeFirecracker({ ...host(), uid: 1000, jailer: "off" });
    expect(without).toMatchObject({ ok: false, reason: "there is no guest kernel yet" });
    expect(await readFile(join(dataDir, "bin", "firecracker.json"), "utf8")).toContain('"format": 1');
  });
});
