import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { assert, asyncProperty, constantFrom, integer, nat, oneof } from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { lockFile } from "../lib/file-lock.ts";
import { createCheckpointStore } from "./checkpoint-store.ts";
import type { CheckpointDescription, CheckpointStore } from "./checkpoint-store.ts";
import { aDescription, aPage, differsFrom, memoryBefore, writeMachine } from "./machine-files.fixture.ts";

const key = randomBytes(32);
const engine = Buffer.from("the engine's state, with a password in it");
const LARGE = 5 * 1024 ** 3;
/** Of all pages of `memoryBefore` that are not zeros. */
const MACHINE_BYTES = 1_640_000;

let root: string;
let stateDir: string;
let memoryDir: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "hearth-checkpoints-"));
  [stateDir, memoryDir] = [join(root, "state"), join(root, "memory")];
  mkdirSync(memoryDir);
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function openStore(limitBytes = LARGE, ownKey = key): CheckpointStore {
  return createCheckpointStore({ stateDir, key: ownKey, limitBytes, memoryDir });
}

async function keep(store: CheckpointStore, given: Partial<CheckpointDescription> = {}) {
  const description = aDescription(given);
  await using draft = await store.begin(0);
  writeMachine(draft.directory, description.step);
  return await draft.keep(description, engine);
}

async function check(store: CheckpointStore, given: Partial<CheckpointDescription> = {}): Promise<void> {
  const description = aDescription(given);
  await using opened = await store.open(description);
  expect(opened.description).toMatchObject(description);
  expect(opened.engine.equals(engine)).toBe(true);
  expect(differsFrom(opened.directory, description.step)).toBeUndefined();
}

function kept(part: "index" | "packs"): readonly string[] {
  const directory = join(stateDir, "checkpoints", part);
  return readdirSync(directory).map((name) => join(directory, name));
}

/** Of killed and running processes, below the state and in memory. */
function workDirectories(): readonly string[] {
  return [join(stateDir, "checkpoints"), join(memoryDir, `hearth-${process.getuid?.() ?? 0}`)]
    .filter(existsSync)
    .flatMap((directory) => readdirSync(directory).filter((name) => name.startsWith("work-")));
}

/** Size of the pack that is being written; undefined where there is none yet. */
function packInWork(): number | undefined {
  const directory = join(stateDir, "checkpoints");
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" });
  const pack = files.find((name) => /^work-.*\/[0-9a-f]{32}$/.test(name));
  return pack === undefined ? undefined : statSync(join(directory, pack)).size;
}

describe("a checkpoint", () => {
  it("comes back as it was kept, in another process's store too, and leaves nothing plain", async () => {
    const store = openStore();
    const stored = await keep(store, { job: "a/../b (x: 1)\n" });
    expect(stored.machineBytes).toBe(memoryBefore(1).length + "kernel before 1".length);
    await check(openStore(), { job: "a/../b (x: 1)\n" });
    expect(await openStore().list()).toEqual([stored]);
    expect(workDirectories()).toEqual([]);
    const onDisk = Buffer.concat([...kept("index"), ...kept("packs")].map((path) => readFileSync(path)));
    for (const secret of [engine, aPage(21), Buffer.from("Run make"), Buffer.from("kernel before")]) {
      expect(onDisk.includes(secret)).toBe(false);
    }
    expect(stored.addedBytes).toBe(onDisk.length);
    expect(await store.diskBytes()).toBe(onDisk.length);
  });

  it("costs what is new in it, and zeros nothing", async () => {
    const store = openStore();
    const first = await keep(store, { step: 1 });
    const same = await keep(store, { step: 11, job: "other" });
    const again = await keep(store, { step: 1, job: "again" });
    expect(first.addedBytes).toBeLessThan(MACHINE_BYTES + 20_000);
    expect(same.addedBytes).toBeLessThan(MACHINE_BYTES / 3);
    expect(again.addedBytes).toBeLessThan(8_000);
    await check(store, { step: 11, job: "other" });
    await check(store, { step: 1, job: "again" });
  });

  it("costs little where its pages are text", async () => {
    const store = openStore();
    await using draft = await store.begin(0);
    const pages = Array.from({ length: 500 }, (_, page) => `${page}: a line of a log\n`.repeat(300).slice(0, 4096));
    writeFileSync(join(draft.directory, "memory"), pages.join(""));
    const { addedBytes, machineBytes } = await draft.keep(aDescription(), Buffer.from("state ".repeat(50_000)));
    expect(machineBytes).toBe(500 * 4096);
    expect(addedBytes).toBeLessThan(machineBytes / 10);
    await using opened = await store.open(aDescription());
    expect(readFileSync(join(opened.directory, "memory"), "utf8")).toBe(pages.join(""));
    expect(opened.engine.toString()).toBe("state ".repeat(50_000));
  });

  it("is replaced by one of the same name, whose predecessor's bytes are given back", async () => {
    const store = openStore();
    for (const pages of [100, 50]) {
      await using draft = await store.begin(0);
      writeFileSync(join(draft.directory, "memory"), randomBytes(pages * 4096));
      await draft.keep(aDescription(), engine);
    }
    expect(await store.list()).toHaveLength(1);
    expect(kept("packs")).toHaveLength(1);
    expect(await store.diskBytes()).toBeLessThan(60 * 4096);
  });

  it("can be opened several times at once, and lasts while it is removed", async () => {
    const store = openStore();
    await keep(store);
    await using first = await store.open(aDescription());
    await using second = await store.open(aDescription());
    await store.remove(aDescription());
    expect(first.directory).not.toBe(second.directory);
    expect([first, second].map(({ directory }) => differsFrom(directory, 1))).toEqual([undefined, undefined]);
    await first[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose]();
    expect([existsSync(first.directory), existsSync(second.directory)]).toEqual([false, true]);
  });

  it("is nothing where the draft was not kept, or what lies in it cannot be put back", async () => {
    const store = openStore();
    await using draft = await store.begin(0);
    writeMachine(draft.directory, 1);
    await draft[Symbol.asyncDispose]();
    expect(existsSync(draft.directory)).toBe(false);
    await using linked = await store.begin(0);
    symlinkSync("/etc/passwd", join(linked.directory, "memory"));
    await expect(linked.keep(aDescription(), engine)).rejects.toThrow("neither a file nor a directory");
    expect(await store.list()).toEqual([]);
    expect(workDirectories()).toEqual([]);
  });
});

describe("the plain directory", () => {
  it("is this user's alone, in memory where there is room, else below the state", async () => {
    const store = openStore();
    await using small = await store.begin(0);
    await using large = await store.begin(Number.MAX_SAFE_INTEGER);
    expect(small.directory.startsWith(`${memoryDir}/`)).toBe(true);
    expect(large.directory.startsWith(`${stateDir}/`)).toBe(true);
    for (const { directory } of [small, large]) {
      expect(readdirSync(directory)).toEqual([]);
      expect([directory, join(directory, "..")].map((path) => lstatSync(path).mode & 0o777)).toEqual([0o700, 0o700]);
    }
    writeMachine(large.directory, 1);
    await large.keep(aDescription(), engine);
    await check(store);
  });

  it("is not made in a directory that others may write in", async () => {
    const planted = join(memoryDir, `hearth-${process.getuid?.() ?? 0}`);
    mkdirSync(planted);
    for (const spoil of [() => undefined, () => (rmSync(planted, { recursive: true }), symlinkSync(root, planted))]) {
      spoil();
      await using draft = await openStore().begin(0);
      expect(draft.directory.startsWith(`${stateDir}/`)).toBe(true);
    }
  });

  it("is swept up after a process that is gone, with whatever else that left", async () => {
    const store = openStore();
    await keep(store);
    const gone = JSON.stringify({ pid: 1, bootId: "another", startTicks: "1" });
    for (const parent of [join(stateDir, "checkpoints"), join(memoryDir, `hearth-${process.getuid?.() ?? 0}`)]) {
      mkdirSync(join(parent, "work-1-abc", "machine"), { recursive: true });
      writeFileSync(join(parent, "work-1-abc", ".hearth-owner"), gone);
      writeFileSync(join(parent, "work-1-abc", "machine", "pages.img"), "memory");
      mkdirSync(join(parent, "work-4194303-abc"));
      mkdirSync(join(parent, "work-4194303-def"));
      writeFileSync(join(parent, "work-4194303-def", ".hearth-owner"), "");
    }
    writeFileSync(join(stateDir, "checkpoints/packs", "ab".repeat(16)), "a pack that was not published");
    await keep(store, { step: 2 });
    expect(workDirectories()).toEqual([]);
    expect(kept("packs")).toHaveLength(2);
  });
});

describe("what cannot be used", () => {
  it("names what there is where a checkpoint is not", async () => {
    const store = openStore();
    const absent = { run: "run00000001", job: "build", step: 7 };
    await expect(store.open(absent)).rejects.toMatchObject({ code: "CHECKPOINT_NOT_FOUND" });
    await keep(store, { step: 3 });
    await keep(store, { step: 1, job: "test" });
    await expect(store.open(absent)).rejects.toThrow("there are those before 3");
    await expect(store.open({ ...absent, job: "deploy" })).rejects.toThrow('job "test" before 1; job "build" before 3');
    await expect(store.remove({ ...absent, run: "other" })).rejects.toMatchObject({
      code: "CHECKPOINT_NOT_FOUND",
      message: expect.stringContaining("none of this run"),
    });
    expect(workDirectories()).toEqual([]);
  });

  it("is refused by name whichever byte was changed, and every other checkpoint still opens", async () => {
    const store = openStore();
    await keep(store);
    const files = [...kept("index"), ...kept("packs")];
    expect(files).toHaveLength(2);
    await assert(
      asyncProperty(
        constantFrom(...files),
        // The ends, where lengths and marks are, more often than their share.
        oneof(
          nat({ max: 300 }),
          nat({ max: 20 }).map((back) => -1 - back),
          nat({ max: 100_000_000 }),
        ),
        integer({ min: 1, max: 255 }),
        async (path, offset, flip) => {
          const bytes = readFileSync(path);
          const at = ((offset % bytes.length) + bytes.length) % bytes.length;
          const changed = Buffer.from(bytes);
          changed[at] = (changed[at] ?? 0) ^ flip;
          writeFileSync(path, changed);
          try {
            await expect(store.open(aDescription())).rejects.toMatchObject({ code: "CHECKPOINT_UNUSABLE" });
          } finally {
            writeFileSync(path, bytes);
          }
        },
      ),
      { numRuns: 150 },
    );
    await check(store);
    expect(workDirectories()).toEqual([]);
  });

  it("is refused where a file is cut, longer, gone or another's", async () => {
    const store = openStore();
    await keep(store, { step: 1 });
    const [index = "", pack = ""] = [...kept("index"), ...kept("packs")];
    const unusable = async (): Promise<void> =>
      expect(store.open(aDescription())).rejects.toMatchObject({ code: "CHECKPOINT_UNUSABLE" });
    for (const path of [index, pack]) {
      const bytes = readFileSync(path);
      for (const length of [0, 7, 30, bytes.length - 1]) {
        truncateSync(path, length);
        await unusable();
        writeFileSync(path, bytes);
      }
      appendFileSync(path, "x");
      await unusable();
      writeFileSync(path, bytes);
    }
    renameSync(pack, `${pack}.away`);
    await unusable();
    renameSync(`${pack}.away`, pack);
    await check(store);
    await keep(store, { step: 2 });
    const [other = ""] = kept("index").filter((path) => path !== index);
    writeFileSync(index, readFileSync(other));
    await unusable();
    await check(store, { step: 2 });
    // The damaged one can still be removed.
    await store.remove(aDescription());
    expect(await store.list()).toHaveLength(1);
  });

  it("is what another key wrote: it is neither listed nor opened, nor are its packs thrown away", async () => {
    const store = openStore();
    await keep(store);
    const stranger = openStore(LARGE, randomBytes(32));
    expect(await stranger.list()).toEqual([]);
    await expect(stranger.open(aDescription())).rejects.toMatchObject({ code: "CHECKPOINT_NOT_FOUND" });
    await keep(stranger, { step: 2 });
    await stranger.removeRun("run00000001");
    await check(store);
    await stranger.removeAll();
    expect([kept("index"), kept("packs")]).toEqual([[], []]);
  });
});

describe("removal", () => {
  it("keeps the packs that others use, and gives back the rest", async () => {
    const store = openStore();
    for (const step of [1, 2, 3]) await keep(store, { step });
    await store.remove(aDescription({ step: 1 }));
    expect(kept("packs")).toHaveLength(3);
    for (const step of [2, 3]) await check(store, { step });
    await keep(store, { run: "run00000002", step: 5 });
    const before = await store.diskBytes();
    await store.removeRun("run00000001");
    expect((await store.list()).map(({ run }) => run)).toEqual(["run00000002"]);
    expect(await store.list("run00000001")).toEqual([]);
    await check(store, { run: "run00000002", step: 5 });
    expect(await store.diskBytes()).toBeLessThan(before);
    await store.removeRun("run00000002");
    await store.removeRun("run00000002");
    expect([kept("index"), kept("packs")]).toEqual([[], []]);
  });

  it("writes a pack anew of which little is used, and what uses it still opens", async () => {
    const store = openStore();
    const write = async (step: number, own: number): Promise<void> => {
      await using draft = await store.begin(0);
      const shared = Array.from({ length: 40 }, (_, page) => aPage(page + 1));
      writeFileSync(join(draft.directory, "shared"), Buffer.concat(shared));
      writeFileSync(join(draft.directory, "own"), randomBytes(own * 4096));
      await draft.keep(aDescription({ step }), engine);
    };
    await write(1, 400);
    await write(2, 1);
    await using before = await store.open(aDescription({ step: 2 }));
    await store.remove(aDescription({ step: 1 }));
    expect(await store.diskBytes()).toBeLessThan(60 * 4096);
    await using after = await openStore().open(aDescription({ step: 2 }));
    for (const name of ["shared", "own"]) {
      expect(readFileSync(join(after.directory, name)).equals(readFileSync(join(before.directory, name)))).toBe(true);
    }
    // What this store knew of the pack is gone: it does not rely on it.
    await write(3, 1);
    await using third = await store.open(aDescription({ step: 3 }));
    expect(statSync(join(third.directory, "shared")).size).toBe(40 * 4096);
  });
});

describe("a keeper that waits for another", () => {
  it("writes anew what it relied on, where that was taken away meanwhile", async () => {
    const store = openStore();
    await keep(store, { step: 1 });
    const lock = await lockFile(join(stateDir, "checkpoints", "lock"), () => undefined, new AbortController().signal);
    const keeping = keep(openStore(), { step: 2 });
    // Its pack is written, relying on the first one, and it waits for the lock.
    await vi.waitUntil(() => packInWork() !== undefined, { timeout: 15_000 });
    let size = -1;
    while (size !== packInWork()) {
      size = packInWork() ?? -1;
      await sleep(300);
    }
    expect(size).toBeLessThan(MACHINE_BYTES / 2);
    for (const path of [...kept("index"), ...kept("packs")]) rmSync(path);
    await lock[Symbol.asyncDispose]();
    expect((await keeping).addedBytes).toBeGreaterThan(MACHINE_BYTES / 2);
    await check(store, { step: 2 });
  });
});

describe("the limit", () => {
  it("takes the oldest of other runs first, then the run's own", async () => {
    const limit = 1.7 * MACHINE_BYTES;
    const store = openStore(limit);
    const [own, other] = ["run00000002", "run00000001"];
    await keep(store, { run: own, step: 1 });
    await keep(store, { run: other, step: 2 });
    const written = [1];
    for (const step of [3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14]) {
      await keep(store, { run: own, step });
      written.push(step);
      const ofOwn = (await store.list(own)).map((one) => one.step);
      // The newest ones, without a gap.
      expect(ofOwn).toEqual(written.slice(-ofOwn.length));
      const ofOther = await store.list(other);
      expect(ofOwn.length === written.length || ofOther.length === 0).toBe(true);
      expect(await store.diskBytes()).toBeLessThanOrEqual(limit);
    }
    const left = await store.list();
    expect(left.length).toBeGreaterThan(1);
    expect(left.length).toBeLessThan(written.length);
    for (const { step } of left) await check(store, { run: own, step });
  });

  it("refuses one that is larger alone, and removes none for it", async () => {
    await keep(openStore(), { step: 1 });
    const store = openStore(MACHINE_BYTES / 2);
    await expect(keep(store, { step: 2 })).rejects.toMatchObject({ code: "STATE_UNWRITABLE" });
    expect((await store.list()).map(({ step }) => step)).toEqual([1]);
    expect(workDirectories()).toEqual([]);
    await check(store, { step: 1 });
  });
});
