/**
 * Checkpoints whose keeper is killed at any moment, several keepers at once, and a disk that is full: what was said to be kept opens, what
 * is listed opens, and nothing is left of the rest.
 */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createCheckpointStore } from "../../src/checkpoint/checkpoint-store.ts";
import type { CheckpointName, CheckpointStore } from "../../src/checkpoint/checkpoint-store.ts";
import { EngineError } from "../../src/lib/engine-error.ts";
import { aDescription, differsFrom, writeMachine } from "../../src/checkpoint/machine-files.fixture.ts";

const PROGRAM = join(import.meta.dirname, "../../src/checkpoint/keep-loop.fixture.ts");
const LARGE = 1024 ** 3;
/** Room for some ten checkpoints of one run. */
const SMALL = 3_300_000;
const key = randomBytes(32);

let root: string;
let stateDir: string;
let memoryDir: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "hearth-kills-"));
  [stateDir, memoryDir] = [join(root, "state"), join(root, "memory")];
  for (const directory of [stateDir, memoryDir]) mkdirSync(directory);
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

interface Loop {
  readonly run: string;
  readonly first: number;
  readonly last?: number;
  readonly limit?: number;
}

function argumentsOf({ run, first, last = 1_000_000, limit = LARGE }: Loop): readonly string[] {
  return [PROGRAM, stateDir, memoryDir, key.toString("hex"), run, String(limit), String(first), String(last)];
}

function startLoop(loop: Loop) {
  const child = spawn(process.execPath, argumentsOf(loop), { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  const first = Promise.withResolvers<void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    first.resolve();
  });
  const closed = once(child, "close");
  void closed.then(() => first.resolve());
  return { child, lines, hasKept: first.promise, closed };
}

function stepsOf(lines: readonly string[]): readonly number[] {
  return lines.filter((line) => line.startsWith("kept ")).map((line) => Number(line.slice(5)));
}

function openStore(limitBytes = LARGE): CheckpointStore {
  return createCheckpointStore({ stateDir, memoryDir, key, limitBytes });
}

/** Why it is not what was kept; undefined: it is, or it is gone. */
async function lookAt(store: CheckpointStore, one: CheckpointName): Promise<unknown> {
  try {
    await using opened = await store.open(one);
    return differsFrom(opened.directory, one.step);
  } catch (error) {
    return error instanceof EngineError && error.code === "CHECKPOINT_NOT_FOUND" ? undefined : error;
  }
}

async function checkAll(store: CheckpointStore, newest = Infinity): Promise<readonly number[]> {
  const listed = await store.list();
  for (const one of listed.slice(-newest)) {
    await using opened = await store.open(one);
    expect(opened.engine.toString()).toBe(`engine before ${one.step}`);
    expect(differsFrom(opened.directory, one.step)).toBeUndefined();
  }
  return listed.map(({ step }) => step);
}

/** What a keeper that ends sweeps up after those that were killed. */
async function expectNothingLeft(store: CheckpointStore): Promise<void> {
  const step = 999_999;
  await using draft = await store.begin(0);
  writeMachine(draft.directory, step);
  await draft.keep(aDescription({ run: "last", step }), Buffer.from(`engine before ${step}`));
  for (const directory of [join(stateDir, "checkpoints"), join(memoryDir, `hearth-${process.getuid?.() ?? 0}`)]) {
    const left = existsSync(directory) ? readdirSync(directory) : [];
    expect(left.filter((name) => !["index", "packs", "lock"].includes(name))).toEqual([]);
  }
  await store.removeAll();
  expect(await store.diskBytes()).toBe(0);
}

/** In a small file system of its own for the state, `"$@"` being a keeper. */
function mounted(script: string) {
  const mount = `mount -t tmpfs -o size=4m none "$1"; shift; ${script}`;
  const keeper = [process.execPath, ...argumentsOf({ run: "run1", first: 1, last: 40 })];
  const namespaces = ["--user", "--map-root-user", "--mount"];
  return spawnSync("unshare", [...namespaces, "sh", "-ec", mount, "sh", stateDir, ...keeper], { encoding: "utf8" });
}

describe("checkpoints", () => {
  it(
    "are whole or not there when their keeper is killed, fifty times at any moment",
    { timeout: 600_000 },
    async () => {
      const store = openStore();
      let next = 1;
      const said = new Set<number>();
      for (let round = 0; round < 50; round += 1) {
        // In every other round old ones are taken away and packs written anew meanwhile.
        const limit = round % 2 === 0 ? LARGE : SMALL;
        const loop = startLoop({ run: `run${Math.trunc(round / 5)}`, first: next, limit });
        await loop.hasKept;
        await sleep(Math.random() * 200);
        loop.child.kill("SIGKILL");
        await loop.closed;
        const steps = stepsOf(loop.lines);
        expect(steps.length).toBeGreaterThan(0);
        const there = await checkAll(store, 6);
        for (const step of steps) said.add(step);
        const newest = Math.max(...steps);
        // Where the limit is far, all that was ever said since it was last near; else at least what came last.
        expect(there).toEqual(expect.arrayContaining(limit === LARGE ? [...steps] : [newest]));
        expect(there.filter((step) => !said.has(step) && step <= newest)).toEqual([]);
        // One that was on the way may be there all the same.
        const last = Math.max(newest, ...there);
        expect(last - newest).toBeLessThanOrEqual(1);
        said.add(last);
        next = last + 1;
      }
      await checkAll(store);
      await expectNothingLeft(store);
    },
  );

  it("of several keepers at once, one of them killed, all open", { timeout: 300_000 }, async () => {
    const store = openStore();
    const loops = [1, 2, 3].map((run) =>
      startLoop({ run: `run${run}`, first: run * 1000, last: run * 1000 + 14, limit: SMALL }),
    );
    const [first] = loops;
    await first?.hasKept;
    await sleep(100);
    first?.child.kill("SIGKILL");
    while (loops.slice(1).some(({ child }) => child.exitCode === null)) {
      // What is listed may be gone before it is opened, but nothing is ever broken.
      for (const one of await store.list()) expect(await lookAt(store, one)).toBeUndefined();
    }
    await Promise.all(loops.map(({ closed }) => closed));
    for (const { lines } of loops.slice(1)) expect(stepsOf(lines)).toHaveLength(15);
    expect((await checkAll(store)).length).toBeGreaterThan(2);
    expect(await store.diskBytes()).toBeLessThanOrEqual(SMALL);
    await expectNothingLeft(store);
  });

  it("are refused by name where the disk is full, and earlier ones stay whole", { timeout: 120_000 }, (context) => {
    const able = mounted("true");
    context.skip(able.status !== 0, `no file system of one's own here: ${able.stderr.trim()}`);
    const { stdout, stderr } = mounted(`"$@"; cd "$3/checkpoints"; ls -A; ls packs | wc -l; ls index | wc -l`);
    const lines = stdout.trim().split("\n");
    const kept = lines.filter((line) => line.startsWith("kept"));
    const refused = lines.filter((line) => line.startsWith("refused"));
    expect(stderr).toBe("");
    expect(kept.length).toBeGreaterThan(3);
    expect(lines.filter((line) => line.startsWith("opened"))).toHaveLength(kept.length);
    expect(refused.length).toBeGreaterThan(3);
    for (const line of refused) expect(line).toMatch(/^refused \d+ STATE_UNWRITABLE .*ENOSPC/);
    // Nothing half is left, and no more packs and indexes than were kept.
    expect(lines.slice(-5)).toEqual(["index", "lock", "packs", String(kept.length), String(kept.length)]);
  });
});
