import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fakeProvider } from "../provider/fake/provider.ts";
import type { FakeKnobs } from "../provider/fake/provider.ts";
import { identifyProcess } from "../lib/process-identity.ts";
import { readClaims, writeClaim } from "../provider/machine-claims.ts";
import type { MachineSpec } from "../provider/provider.ts";
import { admitted, createAdmission } from "./admission.ts";
import type { Admission } from "./admission.ts";
import { freeMib, lackOf, neverFits } from "./fits.ts";
import type { Host, Taken } from "./fits.ts";

let directory: string;
let host: Host;
let clock: number;
const never = new AbortController().signal;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "hearth-admission-"));
  host = { memoryMib: 8000, availableMib: 8000, cores: 2 };
  clock = 0;
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function admission(): Admission {
  return createAdmission({
    directory,
    runDir: directory,
    temporary: directory,
    host: () => host,
    now: () => (clock += 1),
  });
}

function vms(knobs: FakeKnobs = {}) {
  return fakeProvider({ ...knobs, capabilities: { isolation: "vm" } });
}

function spec(id: string, memoryMib = 2000, cpus = 1): MachineSpec {
  return { id, cpus, memoryMib, certificateAuthorities: undefined, image: undefined };
}

/** What was said of waiting, and a promise that it was. */
function waits() {
  const { promise, resolve } = Promise.withResolvers<string>();
  return { said: promise, onWait: (_machine: string, lack: string): void => resolve(lack) };
}

const silent = { run: undefined, onWait: () => undefined };

describe("a place on this host", () => {
  it("is waited for when it is not there, and passes on when a machine is gone", async () => {
    const places = admission();
    const provider = vms();
    const first = await admitted(provider, places, silent).provision(spec("a-1", 4000), never);
    const { said, onWait } = waits();
    const second = admitted(provider, places, { run: undefined, onWait }).provision(spec("b-1", 4000), never);
    // A quarter of 8000 is the host's, and 256 go with each machine.
    expect(await said).toBe("memory: needs 4256 MiB, 1744 MiB are free for machines");
    expect([...provider.live]).toEqual(["a-1"]);
    await first[Symbol.asyncDispose]();
    await (await second)[Symbol.asyncDispose]();
    expect(readdirSync(directory)).toEqual([]);
  });

  it("is refused at once when there can never be one", async () => {
    const provision = admitted(vms(), admission(), silent).provision(spec("a-1", 9000), never);
    await expect(provision).rejects.toMatchObject({
      code: "MACHINE_START_FAILED",
      message: expect.stringContaining("it needs 9256 MiB, this host has 8000 MiB"),
    });
    expect(readdirSync(directory)).toEqual([]);
  });

  it("is given back by a machine that cannot be made, and by a run that is cancelled while it waits", async () => {
    const places = admission();
    await expect(admitted(vms({ failProvision: "no" }), places, silent).provision(spec("a-1"), never)).rejects.toThrow(
      "no",
    );
    expect(readdirSync(directory)).toEqual([]);

    const machine = await admitted(vms(), places, silent).provision(spec("b-1", 5000), never);
    const { said, onWait } = waits();
    const abort = new AbortController();
    const waiting = admitted(vms(), places, { run: undefined, onWait }).provision(spec("c-1", 5000), abort.signal);
    await said;
    abort.abort(new Error("cancelled"));
    await expect(waiting).rejects.toThrow("cancelled");
    await machine[Symbol.asyncDispose]();
    expect(readdirSync(directory)).toEqual([]);
  });

  it("is not counted for a process that is gone", async () => {
    const provider = vms();
    await admission().admit(
      { spec: spec("a-1", 5000), provider, run: undefined },
      { signal: never, onWait: () => undefined },
    );
    const [left] = readClaims(directory);
    if (left === undefined) throw new Error("it made no claim");
    writeClaim(directory, { ...left, owner: { ...identifyProcess(process.pid), startTicks: "1" } });
    const machine = await admitted(provider, admission(), silent).provision(spec("b-1", 5000), never);
    expect([...provider.live]).toEqual(["b-1"]);
    await machine[Symbol.asyncDispose]();
  });

  it("of a copy is given back before its run ends, so another copy waits for it and none for what the run keeps", async () => {
    const places = admission();
    const provider = vms();
    const saved = await mkdtemp(join(tmpdir(), "hearth-test-saved-"));
    const kept = await admitted(provider, places, { run: "r", copies: true, onWait: () => undefined }).provision(
      spec("a-1", 2000),
      never,
    );
    await kept.save?.(saved, never);
    const copy = (id: string, memoryMib: number, onWait: (machine: string, lack: string) => void = () => undefined) =>
      admitted(provider, places, { run: "r", copies: true, onWait }).restore?.(spec(id, memoryMib), saved, never);
    const first = await copy("a-2", 2000);
    const { said, onWait } = waits();
    const second = copy("a-3", 2000, onWait);
    await said;
    await first?.[Symbol.asyncDispose]();
    await (await second)?.[Symbol.asyncDispose]();
    await expect(copy("a-4", 5000)).rejects.toMatchObject({ code: "MACHINE_START_FAILED" });
    await kept[Symbol.asyncDispose]();
    expect(readdirSync(directory)).toEqual([]);
    await rm(saved, { recursive: true });
  });

  it("of much memory is not overtaken for ever by those who need little", async () => {
    const places = admission();
    const provider = vms();
    const first = await admitted(provider, places, silent).provision(spec("a-1", 2000), never);
    const big = waits();
    const large = admitted(provider, places, { run: undefined, onWait: big.onWait }).provision(
      spec("b-1", 5000),
      never,
    );
    await big.said;
    const small = waits();
    const later = admitted(provider, places, { run: undefined, onWait: small.onWait }).provision(
      spec("c-1", 1000),
      never,
    );
    // It would fit now.
    await small.said;
    await first[Symbol.asyncDispose]();
    const got = await large;
    expect([...provider.live]).toEqual(["b-1"]);
    await got[Symbol.asyncDispose]();
    await (await later)[Symbol.asyncDispose]();
  });

  it("takes cores only where machines are the host's own processes", async () => {
    const machine = await admitted(fakeProvider(), admission(), silent).provision(spec("a-1", 100_000), never);
    expect(readClaims(directory)).toMatchObject([{ memoryMib: 0, cpus: 1 }]);
    await machine[Symbol.asyncDispose]();
  });

  it("ends the wait of runs that would wait for each other for ever: the last one fails, the other gets on", async () => {
    const places = admission();
    const provider = vms();
    const of = (run: string, onWait: () => void = () => undefined) => admitted(provider, places, { run, onWait });
    const held = [await of("a").provision(spec("a-1", 2500), never), await of("b").provision(spec("b-1", 2500), never)];
    const { said, onWait } = waits();
    const first = admitted(provider, places, { run: "a", onWait }).provision(spec("a-2", 2500), never);
    await said;
    await expect(of("b").provision(spec("b-2", 2500), never)).rejects.toMatchObject({ code: "MACHINE_START_FAILED" });
    await held[1]?.[Symbol.asyncDispose]();
    await (await first)[Symbol.asyncDispose]();
    await held[0]?.[Symbol.asyncDispose]();
    expect(readdirSync(directory)).toEqual([]);
  });

  it("for a machine made ahead is never waited for, and never taken while a run waits", async () => {
    const places = admission();
    const provider = vms();
    const ahead = await places.admitAhead({ spec: spec("w-1", 4000), provider, run: undefined });
    expect(readClaims(directory)).toMatchObject([{ machine: "w-1", warm: true }]);
    expect(await places.admitAhead({ spec: spec("w-2", 4000), provider, run: undefined })).toBeUndefined();
    const { said, onWait } = waits();
    const waiting = admitted(provider, places, { run: undefined, onWait }).provision(spec("a-1", 5000), never);
    await said;
    expect(places.someoneWaits()).toBe(true);
    expect(await places.admitAhead({ spec: spec("w-3", 1), provider, run: undefined })).toBeUndefined();
    ahead?.[Symbol.dispose]();
    await (await waiting)[Symbol.asyncDispose]();
    expect(places.someoneWaits()).toBe(false);
    expect(readdirSync(directory)).toEqual([]);
  });

  it("is never given twice by processes that ask at the same time", async () => {
    const log = `${directory}.log`;
    const fixture = join(import.meta.dirname, "../../test/machines/hold-places.ts");
    await Promise.all(
      ["p", "q", "r"].map((name) => promisify(execFile)(process.execPath, [fixture, directory, name, log])),
    );
    const changes = (await readFile(log, "utf8")).trim().split("\n").map(Number);
    await rm(log);
    let taken = 0;
    let most = 0;
    for (const change of changes) most = Math.max(most, (taken += change));
    expect(changes).toHaveLength(3 * 6 * 2);
    expect(taken).toBe(0);
    expect(most).toBeLessThanOrEqual(3000);
    // Some were there together, or nothing was tried.
    expect(most).toBeGreaterThan(1300);
    expect(readdirSync(directory)).toEqual([]);
  });
});

const sizes = fc.integer({ min: 0, max: 20_000 });
const takens: fc.Arbitrary<Taken[]> = fc.array(
  fc.record({ memoryMib: sizes, cpus: fc.integer({ min: 1, max: 64 }), residentMib: sizes }),
  { maxLength: 8 },
);
const hosts: fc.Arbitrary<Host> = fc
  .record({
    memoryMib: fc.integer({ min: 1, max: 100_000 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    cores: fc.integer({ min: 1, max: 64 }),
  })
  .map(({ memoryMib, share, cores }) => ({ memoryMib, availableMib: Math.floor(memoryMib * share), cores }));
const needs = fc.record({ memoryMib: sizes, cpus: fc.integer({ min: 1, max: 256 }) });

describe("what fits", () => {
  it("never takes memory that the host does not have, or that another machine may still take", () => {
    fc.assert(
      fc.property(needs, takens, hosts, (need, taken, given) => {
        if (lackOf(need, taken, given) !== undefined) return;
        const toCome = taken.reduce((sum, { memoryMib, residentMib }) => sum + Math.max(0, memoryMib - residentMib), 0);
        expect(need.memoryMib + toCome).toBeLessThanOrEqual(given.availableMib);
        const promised = taken.reduce((sum, { memoryMib }) => sum + memoryMib, 0);
        expect(need.memoryMib + promised).toBeLessThanOrEqual(given.memoryMib);
      }),
    );
  });

  it("is everything that this host has, when nobody else is there and all of it is available", () => {
    fc.assert(
      fc.property(needs, hosts, (need, given) => {
        const idle = { ...given, availableMib: given.memoryMib };
        expect(lackOf(need, [], idle) === undefined).toBe(neverFits(need, idle) === undefined);
      }),
    );
  });

  it("is no more with one machine more", () => {
    fc.assert(
      fc.property(takens, hosts, (taken, given) => {
        expect(freeMib(taken, given)).toBeLessThanOrEqual(freeMib(taken.slice(1), given));
      }),
    );
  });

  it("counts cores up to what the host has, eight machines on each", () => {
    const small = { memoryMib: 1e6, availableMib: 1e6, cores: 2 };
    const one = { memoryMib: 0, cpus: 256, residentMib: 0 };
    expect(
      lackOf(
        one,
        Array.from({ length: 7 }, () => one),
        small,
      ),
    ).toBeUndefined();
    expect(
      lackOf(
        one,
        Array.from({ length: 8 }, () => one),
        small,
      ),
    ).toContain("cores: needs 256, 0 of 2 x 8");
  });
});
