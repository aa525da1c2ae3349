/**
 * What `Machine.save` and `Provider.restore` promise, in executable form: every provider that says `capabilities.checkpoint` runs
 * this suite. It sees machines through their agents only. Its scripts need bash, coreutils and the layout's Node in the guest.
 */
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { EngineError } from "../lib/engine-error.ts";
import type { AgentClient } from "../protocol/agent-client.ts";
import { openAgent } from "../protocol/open-agent.ts";
import type { AfterSave, Machine, MachineSpec, Provider } from "./provider.ts";

export interface CheckpointSubject {
  create(): Promise<Provider>;
  /** What machines have left on this host: processes, sockets, mounts, directories. Empty when nothing is left. */
  leftovers(): Promise<string[]>;
  /** Ends a machine from outside, as kill -9 of its process would. */
  kill(machine: Machine): Promise<void>;
  /** Name of the file in a saved directory that says what can go on from it. */
  readonly identityFile: string;
}

/** Run as `bash -e -c <script>`; `$PLACE` is a directory on the machine's disk, `$NODE` the layout's Node. */
const SCRIPTS = {
  // A counter in a shell that keeps its file open, a server with a count of its own in memory, files on a disk and in memory.
  live: `mkdir -p "$PLACE"; echo on-disk > "$PLACE/file"; echo in-memory > "/dev/shm/$(basename "$PLACE")"
    setsid bash -c 'exec 5>"$PLACE/counter"; n=0; while :; do n=$((n+1)); echo $n >&5; sleep 0.1; done' </dev/null >/dev/null 2>&1 &
    echo $! > "$PLACE/pid"
    setsid "$NODE" -e 'let hits = 0; require("node:net").createServer((s) => s.end(++hits + "\\n")).listen(18080, "127.0.0.1")' </dev/null >/dev/null 2>&1 &
    until (exec 3<>/dev/tcp/127.0.0.1/18080) 2>/dev/null; do sleep 0.1; done`,
  look: `cat "$PLACE/file" "/dev/shm/$(basename "$PLACE")"; wc -l < "$PLACE/counter"; readlink "/proc/$(cat "$PLACE/pid")/fd/5"
    exec 3<>/dev/tcp/127.0.0.1/18080; cat <&3`,
  count: 'wc -l < "$PLACE/counter"',
  ordered:
    'n=$(wc -l < "$PLACE/counter"); [ $n -gt 0 ]; [ "$(head -n $n "$PLACE/counter" | sha256sum)" = "$(seq $n | sha256sum)" ]',
  writing: `mkdir -p "$PLACE"; setsid bash -c 'exec 5>"$PLACE/counter"; n=0; while :; do n=$((n+1)); echo $n >&5; done' </dev/null >/dev/null 2>&1 &
    echo $! > "$PLACE/pid"; until [ -s "$PLACE/counter" ]; do sleep 0.05; done`,
  stop: 'kill -KILL "$(cat "$PLACE/pid")"',
  time: "date +%s.%N",
  identity: "cat /proc/sys/kernel/random/uuid; od -An -N16 -tx1 /dev/urandom | tr -d ' '",
  exists: 'if [ -e "$PLACE" ]; then echo yes; else echo no; fi',
  touch: 'touch "$PLACE"',
  waiting: "echo ready; sleep 1000",
} as const;

const SAVES_IN_A_ROW = 10;
const CLOCK_OFF_MS = 2000;
/** After the call, so that some end before it is on its way, some in its midst, and on a fast host some when it is over. */
const MOMENTS_MS = [0, 15, 60, 150, 400];

export function checkpointContract(name: string, subject: CheckpointSubject): void {
  const never = new AbortController().signal;
  let machineNumber = 0;
  const spec = (): MachineSpec => ({
    id: `contract-${process.pid}-s${++machineNumber}`,
    cpus: 1,
    memoryMib: 1024,
    certificateAuthorities: undefined,
    image: undefined,
  });

  let saves: string;
  const emptyDirectory = (): Promise<string> => mkdtemp(join(saves, "save-"));
  const provision = async (): Promise<Machine> => (await subject.create()).provision(spec(), never);
  const restore = async (directory: string, signal = never): Promise<Machine> => {
    const provider = await subject.create();
    if (provider.restore === undefined) throw new Error("it cannot restore");
    return await provider.restore(spec(), directory, signal);
  };

  /** A machine that should not have come goes again. */
  const tryRestore = async (directory: string): Promise<void> => (await restore(directory))[Symbol.asyncDispose]();

  describe(`what ${name} saves`, () => {
    beforeAll(async () => {
      saves = await mkdtemp(join(tmpdir(), "hearth-saves-"));
    });
    afterAll(async () => rm(saves, { recursive: true }));

    describe("of a machine with a life", () => {
      let original: Talk;
      let place: string;
      let directory: string;
      let atSave: Look;
      beforeAll(async () => {
        original = await talk(await provision());
        place = `${original.machine.layout.work}/life`;
        await original.run("live", place);
        directory = await emptyDirectory();
        atSave = await lookAt(original, place);
        original = await saved(original, directory);
      });
      afterAll(async () => {
        await original.machine[Symbol.asyncDispose]();
        expect(await subject.leftovers()).toEqual([]);
      });

      it("is said to be possible", async () => {
        const provider = await subject.create();
        expect(provider.capabilities.checkpoint).toBe(true);
        expect(original.machine.capabilities.checkpoint).toBe(true);
      });

      it("leaves the machine as it was, and its processes going on", async () => {
        const now = await lookAt(original, place);
        expect(now).toMatchObject({ files: atSave.files, descriptor: `${place}/counter`, hits: atSave.hits + 1 });
        await untilCounted(original, place, now.count);
        await expectRightTime(original);
      });

      it("goes on as another machine: files, memory, processes, open files and servers", async () => {
        await using machine = await restore(directory);
        const restored = await talk(machine);
        const now = await lookAt(restored, place);
        expect(now).toMatchObject({ files: atSave.files, descriptor: `${place}/counter`, hits: atSave.hits + 1 });
        expect(now.count).toBeGreaterThanOrEqual(atSave.count);
        await untilCounted(restored, place, now.count);
        await restored.run("ordered", place);
      });

      it("goes on as two at once that have nothing in common from then on", async () => {
        const machines = await Promise.all([restore(directory), restore(directory)]);
        const pair = await Promise.all(machines.map((machine) => talk(machine)));
        const three = [original, ...pair];
        const bootIds = await Promise.all(three.map(async ({ agent }) => (await agent.ready()).bootId));
        expect(new Set(bootIds).size).toBe(3);
        const numbers = await Promise.all(three.map(async ({ run }) => (await run("identity")).split("\n")));
        for (const index of [0, 1]) expect(new Set(numbers.map((values) => values[index])).size).toBe(3);
        await Promise.all(pair.map(expectRightTime));
        await pair[0]?.run("touch", `${place}/mine`);
        expect(await Promise.all(three.map(({ run }) => run("exists", `${place}/mine`)))).toEqual(["no", "yes", "no"]);
        await Promise.all(machines.map((machine) => machine[Symbol.asyncDispose]()));
      });

      it("is not needed any more once a machine goes on from it, which can be saved again, and that one too", async () => {
        const first = await emptyDirectory();
        original = await saved(original, first);
        const machine = await restore(first);
        await rm(first, { recursive: true });
        const second = await emptyDirectory();
        let child = await talk(machine);
        await child.run("touch", `${place}/of-the-child`);
        child = await saved(child, second);
        await child.run("touch", `${place}/later`);
        await using grandchild = await restore(second);
        await machine[Symbol.asyncDispose]();
        await rm(second, { recursive: true });
        const { run, agent } = await talk(grandchild);
        expect(await run("exists", `${place}/of-the-child`)).toBe("yes");
        expect(await run("exists", `${place}/later`)).toBe("no");
        expect((await agent.ready()).bootId).not.toBe((await original.agent.ready()).bootId);
        await lookAt(await talk(grandchild, agent), place);
      });

      it("is whole when it is saved while a process writes to the disk", async () => {
        const busy = `${place}/busy`;
        await original.run("writing", busy);
        const midst = await emptyDirectory();
        original = await saved(original, midst);
        await using machine = await restore(midst);
        const restored = await talk(machine);
        const count = Number(await restored.run("count", busy));
        await untilCounted(restored, busy, count);
        for (const { run } of [original, restored]) {
          await run("stop", busy);
          expect(await run("ordered", busy)).toBe("");
        }
      });

      it("ends what was under way on the streams, and gives others in their place", async () => {
        const { machine, agent } = original;
        const { promise: started, resolve } = Promise.withResolvers<void>();
        const { env } = await agent.ready();
        const argv = ["bash", "-c", SCRIPTS.waiting];
        const request = { id: "under-way", argv, env, cwd: "/", user: "runner" as const, write: [], read: [] };
        const ended = agent.exec(request, () => resolve()).catch((error: unknown) => error);
        await started;
        original = await saved(original, await emptyDirectory());
        expect(await ended).toMatchObject({ name: "EngineError", code: "MACHINE_LOST" });
        expect(original.agent).not.toBe(agent);
        expect(await Promise.race([machine.lost, Promise.resolve("not lost")])).toBe("not lost");
        await lookAt(original, place);
      });

      it("can be had ten times in a row, and the clock stays right", async () => {
        for (let done = 0; done < SAVES_IN_A_ROW; done++) {
          const next = await emptyDirectory();
          original = await saved(original, next);
          if (done < SAVES_IN_A_ROW - 1) await rm(next, { recursive: true });
        }
        await expectRightTime(original);
        const now = await lookAt(original, place);
        expect(now.files).toEqual(atSave.files);
      });

      it("is refused when it is of something else than this host has now", async () => {
        const file = join(directory, subject.identityFile);
        const identity = await readFile(file);
        for (const position of [0, Math.floor(identity.length / 2)]) {
          const tampered = Buffer.from(identity);
          tampered[position] = (tampered[position] ?? 0) ^ 1;
          await writeFile(file, tampered);
          await expect(restore(directory)).rejects.toMatchObject({ name: "EngineError", code: "CHECKPOINT_UNUSABLE" });
        }
        await rm(file);
        await expect(restore(directory)).rejects.toMatchObject({ code: "CHECKPOINT_UNUSABLE" });
        await writeFile(file, identity);
        await using machine = await restore(directory);
        await lookAt(await talk(machine), place);
      });

      it.each(MOMENTS_MS)("leaves nothing when restoring is aborted after %d ms", async (afterMs) => {
        const controller = new AbortController();
        const reason = new Error("no longer wanted");
        const before = await subject.leftovers();
        const restoring = restore(directory, controller.signal);
        abortAfter(controller, afterMs, reason);
        // A quick provider may be done before: then there is a machine to dispose of.
        const outcome = await restoring
          .then((machine) => machine[Symbol.asyncDispose]())
          .catch((error: unknown) => error);
        expect([undefined, reason]).toContain(outcome);
        expect((await subject.leftovers()).toSorted()).toEqual(before.toSorted());
      });
    });

    describe("of a machine that does not live to see the end of it", () => {
      afterEach(async () => {
        const left = await subject.leftovers();
        if (left.length > 0) throw new Error(`left behind: ${left.join("; ")}`);
      });

      it.each(MOMENTS_MS)("leaves nothing when saving is aborted after %d ms", async (afterMs) => {
        await using machine = await provision();
        const controller = new AbortController();
        const reason = new Error("no longer wanted");
        const directory = await emptyDirectory();
        const saving = saveIn(machine, directory, controller.signal);
        abortAfter(controller, afterMs, reason);
        const outcome = await saving.catch((error: unknown) => error);
        expect(outcome === reason || isAfterSave(outcome)).toBe(true);
        await machine[Symbol.asyncDispose]();
        const fate = outcome === reason ? await codeOf(tryRestore(directory)) : "saved";
        expect(["saved", "CHECKPOINT_UNUSABLE"]).toContain(fate);
        await rm(directory, { recursive: true });
      });

      it.each(MOMENTS_MS)("tells that the machine is lost when it is killed after %d ms", async (afterMs) => {
        await using machine = await provision();
        const directory = await emptyDirectory();
        const saving = saveIn(machine, directory, never);
        const outcome = saving.catch((error: unknown) => error);
        await delay(afterMs);
        await subject.kill(machine);
        const result = await outcome;
        // It may have been saved before; then only the machine is lost.
        const fate = isAfterSave(result) ? ["saved"] : [await codeOf(saving), await codeOf(tryRestore(directory))];
        expect([["saved"], ["MACHINE_LOST", "CHECKPOINT_UNUSABLE"]]).toContainEqual(fate);
        expect(await machine.lost).toMatchObject({ reason: expect.stringMatching(/\w/) });
        await rm(directory, { recursive: true });
      });

      it("does not begin when the signal says so before", async () => {
        await using machine = await provision();
        const reason = new Error("no longer wanted");
        const directory = await emptyDirectory();
        await expect(saveIn(machine, directory, AbortSignal.abort(reason))).rejects.toBe(reason);
        expect(await readdir(directory)).toEqual([]);
        await machine[Symbol.asyncDispose]();
      });
    });
  });
}

interface Talk {
  readonly machine: Machine;
  readonly agent: AgentClient;
  /** Both streams of a script that has to succeed. */
  readonly run: (script: keyof typeof SCRIPTS, place?: string) => Promise<string>;
}

let execNumber = 0;

async function talk(machine: Machine, through?: AgentClient): Promise<Talk> {
  const agent = through ?? (await openAgent(machine.agent));
  const NODE = `${machine.layout.externals}/node24/bin/node`;
  return {
    machine,
    agent,
    run: async (script, PLACE = "") => {
      const { env } = await agent.ready();
      let output = "";
      const argv = ["bash", "-e", "-c", SCRIPTS[script]];
      const id = `checkpoint-${++execNumber}`;
      const request = {
        id,
        argv,
        env: { ...env, PLACE, NODE },
        cwd: "/",
        user: "runner" as const,
        write: [],
        read: [],
      };
      const { code } = await agent.exec(request, (_, chunk) => void (output += chunk.toString()));
      expect({ script, code, output: code === 0 ? "" : output }).toEqual({ script, code: 0, output: "" });
      return output.trim();
    },
  };
}

async function saveIn(machine: Machine, directory: string, signal: AbortSignal): Promise<AfterSave> {
  if (machine.save === undefined) throw new Error("it cannot be saved");
  return await machine.save(directory, signal);
}

/** The same machine, through what its streams were replaced with. */
async function saved({ machine }: Talk, directory: string): Promise<Talk> {
  const { agent, failure } = await saveIn(machine, directory, new AbortController().signal);
  expect(failure).toBeUndefined();
  return await talk(machine, await openAgent(agent));
}

function isAfterSave(outcome: unknown): outcome is AfterSave {
  return typeof outcome === "object" && outcome !== null && "agent" in outcome && "failure" in outcome;
}

async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  return await work.then(
    () => undefined,
    (error: unknown) => (error instanceof EngineError ? error.code : String(error)),
  );
}

interface Look {
  readonly files: readonly string[];
  readonly count: number;
  readonly descriptor: string;
  readonly hits: number;
}

async function lookAt({ run }: Talk, place: string): Promise<Look> {
  const [disk = "", memory = "", count, descriptor = "", hits] = (await run("look", place)).split("\n");
  return { files: [disk, memory], count: Number(count), descriptor, hits: Number(hits) };
}

async function untilCounted({ run }: Talk, place: string, beyond: number): Promise<void> {
  await expect.poll(async () => Number(await run("count", place)), { timeout: 60_000 }).toBeGreaterThan(beyond);
}

/** What it says lies between the moments before and after it was asked. */
async function expectRightTime({ run }: Talk): Promise<void> {
  const before = Date.now();
  const said = Number(await run("time")) * 1000;
  const after = Date.now();
  expect(said).toBeGreaterThan(before - CLOCK_OFF_MS);
  expect(said).toBeLessThan(after + CLOCK_OFF_MS);
}

function abortAfter(controller: AbortController, afterMs: number, reason: Error): void {
  if (afterMs === 0) controller.abort(reason);
  else setTimeout(() => controller.abort(reason), afterMs);
}
