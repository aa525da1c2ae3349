/**
 * The provider contract in executable form: every implementation runs this suite, the fake included. A point that an
 * implementation cannot meet is skipped with its reason, which is printed. What the commands of the suite do is in `SCRIPTS`, so
 * that an implementation without a shell can answer them.
 */
import { createHash, randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { Readable } from "node:stream";
import { packTar, unpackTar } from "modern-tar";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestContext } from "vitest";
import type { ExecRequest, Ready } from "../protocol/agent-api.ts";
import type { AgentClient, ExecResult } from "../protocol/agent-client.ts";
import { openAgent } from "../protocol/open-agent.ts";
import type { BulkInput, Machine, MachineSpec, Provider } from "./provider.ts";

export interface ContractSubject {
  create(): Promise<Provider>;
  /** What machines have left on this host: processes, sockets, mounts, directories. Empty when nothing is left. */
  leftovers(): Promise<string[]>;
  /** Ends a machine from outside, as kill -9 of its process would. Left out with a reason under `lost`. */
  kill?: (machine: Machine) => Promise<void>;
  /** Why a point does not hold for this implementation. */
  readonly skip?: Partial<Record<ContractPoint, string>>;
}

type ContractPoint = "processes" | "background" | "hashFiles" | "tar" | "lost";

/** Run as `bash -c <script>`. */
export const SCRIPTS = {
  exit7: "exit 7",
  killSelf: "kill -KILL $$",
  bothStreams: "for n in 1 2 3; do echo out $n; echo err $n >&2; done",
  large: "head -c 8388608 /dev/zero | tr '\\0' x; head -c 1048576 /dev/zero | tr '\\0' y >&2",
  where: "pwd -P",
  copy: 'cat "$SOURCE" > "$TARGET"',
  noInput: 'if read -r line; then echo "read $line"; exit 1; fi',
  meet: 'touch "$PLACE/$ME"; until [ -e "$PLACE/0" ] && [ -e "$PLACE/1" ] && [ -e "$PLACE/2" ]; do sleep 0.02; done; echo "$ME"',
  // Waits in the shell itself: in gVisor a bash that is just starting a command now and then never runs its trap.
  trapInterrupt: "trap 'echo interrupted; kill $!; exit 40' INT; sleep 1000 >/dev/null 2>&1 & echo ready; wait",
  ignoreSignals: "trap '' INT TERM; sleep 1000 & child=$!; setsid sleep 1001 & echo $child $!; wait",
  alive: 'for pid in $PIDS; do [ "$(cut -d" " -f3 /proc/$pid/stat 2>/dev/null)" = S ] && echo $pid; done; true',
  background: "sleep 1000 & echo $!",
  silentBackground: "sleep 1000 >/dev/null 2>&1 & echo $!",
  hash: 'sha256sum "$FILE" | cut -d" " -f1',
  look: 'cat "$PLACE/tree/deep/file"; [ -x "$PLACE/tree/run.sh" ] && readlink "$PLACE/tree/link"; [ -O "$PLACE/tree/run.sh" ] && echo mine',
} as const;

/** What output may take after its process has ended, and then some for a slow machine. */
const BACKGROUND_LIMIT_MS = 9_000;

export function providerContract(name: string, subject: ContractSubject): void {
  let machineNumber = 0;
  const spec = (): MachineSpec => ({
    id: `contract-${process.pid}-${++machineNumber}`,
    cpus: 1,
    memoryMib: 1024,
    certificateAuthorities: undefined,
    image: undefined,
  });
  const never = new AbortController().signal;

  const needs = (point: ContractPoint, { skip }: TestContext): void => {
    const reason = subject.skip?.[point];
    if (reason !== undefined) skip(reason);
  };

  describe(`the provider ${name}`, () => {
    it("can make machines on this host, and says with which isolation", async () => {
      const provider = await subject.create();
      expect(await provider.probe()).toMatchObject({ ok: true, isolation: expect.stringMatching(/\w/) });
    });

    describe("one machine", () => {
      let machine: Machine;
      let agent: AgentClient;
      let ready: Ready;
      beforeAll(async () => {
        machine = await (await subject.create()).provision(spec(), never);
        agent = await openAgent(machine.agent);
        ready = await agent.ready();
      });
      afterAll(async () => {
        await machine[Symbol.asyncDispose]();
        expect(await subject.leftovers()).toEqual([]);
      });

      let execNumber = 0;
      const request = (script: keyof typeof SCRIPTS, changes: Partial<ExecRequest> = {}): ExecRequest => ({
        id: `exec-${++execNumber}`,
        argv: ["bash", "-c", SCRIPTS[script]],
        cwd: machine.layout.temp,
        user: "runner",
        write: [],
        read: [],
        ...changes,
        env: { ...ready.env, ...changes.env },
      });
      const run = (script: keyof typeof SCRIPTS, changes: Partial<ExecRequest> = {}): Promise<Ran> =>
        runExec(agent, request(script, changes));
      const livingOf = async (pids: string): Promise<string> =>
        (await run("alive", { env: { PIDS: pids } })).stdout.trim();

      it("answers with a boot id and an environment to start from", () => {
        expect(ready.bootId).not.toBe("");
        expect(ready.env).toMatchObject({ PATH: expect.stringContaining("/"), HOME: machine.layout.home });
        expect(Object.keys(ready.env).filter((name) => name.startsWith("HEARTH_"))).toEqual([]);
      });

      it("gives the exit code, or the signal that ended the process", async () => {
        expect((await run("exit7")).result).toEqual({ code: 7, signal: null, files: [] });
        expect((await run("killSelf")).result).toEqual({ code: null, signal: "SIGKILL", files: [] });
      });

      it("brings both output streams, each in order", async () => {
        const { stdout, stderr } = await run("bothStreams");
        expect(stdout).toBe("out 1\nout 2\nout 3\n");
        expect(stderr).toBe("err 1\nerr 2\nerr 3\n");
      });

      it("brings large output whole, also to a reader that is slow at first", async () => {
        const hashes = { stdout: createHash("sha256"), stderr: createHash("sha256") };
        const sizes = { stdout: 0, stderr: 0 };
        let pauses = 3;
        await agent.exec(request("large"), async (stream, chunk) => {
          hashes[stream].update(chunk);
          sizes[stream] += chunk.length;
          while (pauses-- > 0) await new Promise((resolve) => setImmediate(resolve));
        });
        expect(sizes).toEqual({ stdout: 8 << 20, stderr: 1 << 20 });
        expect(hashes.stdout.digest("hex")).toBe(
          createHash("sha256")
            .update("x".repeat(8 << 20))
            .digest("hex"),
        );
        expect(hashes.stderr.digest("hex")).toBe(
          createHash("sha256")
            .update("y".repeat(1 << 20))
            .digest("hex"),
        );
      });

      it("gives the process exactly the environment of the request", async () => {
        const env = { A: "1", B: "two words", EMPTY: "", UNICODE: "ä€🔥" };
        const { stdout } = await runExec(agent, { ...request("where"), argv: ["/usr/bin/env"], env });
        expect(stdout.trim().split("\n").toSorted()).toEqual(["A=1", "B=two words", "EMPTY=", "UNICODE=ä€🔥"]);
      });

      it("starts the process in the directory asked for", async () => {
        const workspace = `${machine.layout.work}/hello/hello`;
        // As at the start of every job: no image can know the workspace's name.
        await agent.reset({ empty: [workspace] });
        expect((await run("where", { cwd: workspace })).stdout.trim()).toBe(workspace);
      });

      it("says why a command cannot be started: no such program, no such directory", async () => {
        const noProgram = await run("where", { argv: ["hearth-no-such-program"] });
        expect(noProgram.result).toMatchObject({
          code: null,
          signal: null,
          failure: expect.stringMatching(/no such program/i),
        });
        const noDirectory = await run("where", { cwd: "/hearth/no/such/directory" });
        expect(noDirectory.result).toMatchObject({ failure: expect.stringMatching(/no such directory/i) });
      });

      it("writes files before the start and reads files back after the end", async () => {
        const source = `${machine.layout.temp}/new/source.txt`;
        const target = `${machine.layout.temp}/target.txt`;
        const content = `ünï\n${"x".repeat(3 << 20)}`;
        const { result } = await run("copy", {
          env: { SOURCE: source, TARGET: target },
          write: [{ path: source, content, mode: 0o600 }],
          read: [
            { path: target, maxBytes: 8 << 20 },
            { path: `${machine.layout.temp}/none`, maxBytes: 10 },
            { path: target, maxBytes: 10 },
          ],
        });
        expect(result.code).toBe(0);
        const [whole, missing, tooLarge] = result.files;
        expect(whole?.kind === "content" && whole.content.toString() === content).toBe(true);
        expect(missing).toEqual({ kind: "missing" });
        expect(tooLarge).toEqual({ kind: "too_large", sizeBytes: Buffer.byteLength(content) });
      });

      it("writes and reads single files", async () => {
        const path = `${machine.layout.temp}/single/file`;
        await agent.writeFile({ path, content: "hello", mode: 0o644, user: "runner" });
        expect((await agent.readFile(path, 5))?.toString()).toBe("hello");
        expect(await agent.readFile(`${path}.none`, 5)).toBeUndefined();
        await expect(agent.readFile(path, 4)).rejects.toMatchObject({ code: "GUEST_REFUSED" });
      });

      it("gives the process no input", async (context) => {
        needs("processes", context);
        expect(await run("noInput")).toMatchObject({ stdout: "", result: { code: 0 } });
      });

      it("runs commands side by side", async (context) => {
        needs("processes", context);
        const PLACE = `${machine.layout.temp}/meet`;
        await agent.writeFile({ path: `${PLACE}/made`, content: "", mode: 0o644, user: "runner" });
        const all = await Promise.all(["0", "1", "2"].map((ME) => run("meet", { env: { PLACE, ME } })));
        expect(all.map(({ stdout }) => stdout.trim())).toEqual(["0", "1", "2"]);
      });

      it("interrupts the process itself, which may still say how it ends", async () => {
        const { id, ...interruptible } = request("trapInterrupt");
        const { result, stdout } = await runExec(agent, { ...interruptible, id }, () =>
          agent.signal({ id, signal: "SIGINT", scope: "process" }),
        );
        expect(stdout).toBe("ready\ninterrupted\n");
        expect(result).toMatchObject({ code: 40, signal: null });
      });

      it("kills the whole tree, deaf to other signals and in sessions of their own", async (context) => {
        needs("processes", context);
        const deaf = request("ignoreSignals");
        const { result, stdout } = await runExec(agent, deaf, async () => {
          await agent.signal({ id: deaf.id, signal: "SIGTERM", scope: "process" });
          await agent.signal({ id: deaf.id, signal: "SIGKILL", scope: "tree" });
        });
        expect(result).toMatchObject({ code: null, signal: "SIGKILL" });
        expect(stdout.trim().split(" ")).toHaveLength(2);
        expect(await livingOf(stdout.trim())).toBe("");
      });

      it("takes a signal for a command that has ended as done", async () => {
        const signalled = agent.signal({ id: "exec-long-gone", signal: "SIGKILL", scope: "tree" });
        await expect(signalled).resolves.toBeUndefined();
      });

      it("does not wait longer than 5 s for a child in the background, and lets it live", async (context) => {
        needs("background", context);
        const started = performance.now();
        const { result, stdout } = await run("background", { env: { RUNNER_TRACKING_ID: "contract_background" } });
        expect(performance.now() - started).toBeLessThan(BACKGROUND_LIMIT_MS);
        expect(result).toMatchObject({ code: 0 });
        expect(await livingOf(stdout.trim())).toBe(stdout.trim());
        await agent.reset({ empty: [], killTrackingId: "contract_background" });
        expect(await livingOf(stdout.trim())).toBe("");
      });

      it("kills at a reset what carries the tracking id, and nothing else", async (context) => {
        needs("background", context);
        const ours = (await run("silentBackground", { env: { RUNNER_TRACKING_ID: "contract_ours" } })).stdout.trim();
        const other = (await run("silentBackground", { env: { RUNNER_TRACKING_ID: "contract_other" } })).stdout.trim();
        await agent.reset({ empty: [], killTrackingId: "contract_ours" });
        expect(await livingOf(`${ours} ${other}`)).toBe(other);
        await agent.reset({ empty: [], killTrackingId: "contract_other" });
      });

      it("empties directories at a reset, and makes those that are missing", async () => {
        const place = `${machine.layout.temp}/to-empty`;
        await agent.writeFile({ path: `${place}/a/b`, content: "x", mode: 0o400, user: "runner" });
        await agent.reset({ empty: [place, `${place}-new`] });
        expect(await agent.readFile(`${place}/a/b`, 10)).toBeUndefined();
        expect((await run("where", { cwd: `${place}-new` })).result.code).toBe(0);
      });

      it("says how it is, also for a directory that is not there", async () => {
        const vitals = await agent.vitals({ path: `${machine.layout.work}/none/at/all` });
        expect(vitals.freeBytes).toBeGreaterThan(0);
        expect(vitals.memoryAvailableBytes).toBeGreaterThan(0);
      });

      it("refuses to empty the root", async () => {
        await expect(agent.reset({ empty: ["/"] })).rejects.toMatchObject({ code: "GUEST_REFUSED" });
      });

      it("hashes files as GitHub does", async (context) => {
        needs("hashFiles", context);
        const workspace = `${machine.layout.work}/hello/hello`;
        await agent.writeFile({ path: `${workspace}/src/a.lock`, content: "hello\n", mode: 0o644, user: "runner" });
        // SHA-256 of the binary SHA-256 of "hello\n".
        const inner = createHash("sha256").update("hello\n").digest();
        const expected = createHash("sha256").update(inner).digest("hex");
        const question = { workspace, followSymbolicLinks: false };
        expect(await agent.hashFiles({ ...question, patterns: ["**/*.lock"] })).toBe(expected);
        expect(await agent.hashFiles({ ...question, patterns: ["**/*.none"] })).toBe("");
      });

      it("takes a tar stream in and gives one out", async (context) => {
        needs("tar", context);
        const PLACE = `${machine.layout.temp}/tar`;
        await agent.unpack(`${PLACE}/tree`, Readable.from([await sampleTar()]));
        expect((await run("look", { env: { PLACE } })).stdout).toBe("deep\ndeep/file\nmine\n");
        const entries = await unpackTar(await buffer(agent.pack(`${PLACE}/tree`)));
        const names = entries.map(({ header }) => header.name.replace(/\/$/, "")).toSorted();
        expect(names).toEqual(["deep", "deep/file", "link", "run.sh"]);
      });

      it("refuses an entry that would land outside, and goes on working", async (context) => {
        needs("tar", context);
        const tar = await packTar([{ header: { name: "../escaped", size: 1 }, body: "x" }]);
        const place = `${machine.layout.temp}/refused`;
        await expect(agent.unpack(place, Readable.from([tar]))).rejects.toMatchObject({ code: "GUEST_REFUSED" });
        expect(await agent.readFile(`${machine.layout.temp}/escaped`, 10)).toBeUndefined();
      });

      it("takes bulk input whole, also several at the same time, and after one that broke off", async (context) => {
        const bulk = bulkOf(machine, context);
        await expect(bulk.write(Readable.from(brokenOff()))).rejects.toThrow("broken off");
        const bring = async (bytes: number): Promise<void> => {
          const PLACE = `${machine.layout.temp}/bulk-${bytes}`;
          const body = randomBytes(bytes);
          const tar = await packTar([{ header: { name: "file", size: bytes }, body }]);
          const input = await bulk.write(Readable.from(pieces(tar)));
          if (input === undefined) throw new Error("there is no room on this host");
          await agent.unpackInput(PLACE, input, never);
          const { stdout } = await run("hash", { env: { FILE: `${PLACE}/file` } });
          expect(stdout.trim()).toBe(createHash("sha256").update(body).digest("hex"));
        };
        await bring(50 << 20);
        await Promise.all([1, 1 << 20, 3 << 20, (2 << 20) + 1].map(bring));
      });

      it("refuses input that is not there, and goes on working", async () => {
        const place = `${machine.layout.temp}/no-input`;
        const input = { path: "/etc/passwd", offsetBytes: 0, lengthBytes: 512 };
        await expect(agent.unpackInput(place, input, never)).rejects.toMatchObject({ code: "GUEST_REFUSED" });
        expect((await run("where")).result.code).toBe(0);
      });

      it("stops unpacking bulk input that is no longer wanted, and goes on working", async (context) => {
        const bulk = bulkOf(machine, context);
        const tar = await packTar([{ header: { name: "file", size: 20 << 20 }, body: randomBytes(20 << 20) }]);
        const input = await bulk.write(Readable.from(pieces(tar)));
        if (input === undefined) throw new Error("there is no room on this host");
        const reason = new Error("no longer wanted");
        const controller = new AbortController();
        const unpacking = agent.unpackInput(`${machine.layout.temp}/unwanted`, input, controller.signal);
        setImmediate(() => controller.abort(reason));
        await expect(unpacking).rejects.toBe(reason);
        expect((await run("where")).result.code).toBe(0);
      });
    });

    describe("machines", () => {
      it("are different ones, also at the same time", async () => {
        const provider = await subject.create();
        const machines = await Promise.all([provider.provision(spec(), never), provider.provision(spec(), never)]);
        const agents = await Promise.all(machines.map((machine) => openAgent(machine.agent)));
        const bootIds = await Promise.all(agents.map(async (agent) => (await agent.ready()).bootId));
        expect(new Set(bootIds).size).toBe(2);
        const [first, second] = machines;
        const file = { path: `${first.layout.temp}/mine`, content: "first", mode: 0o644, user: "runner" as const };
        await agents[0]?.writeFile(file);
        expect(await agents[1]?.readFile(`${second.layout.temp}/mine`, 10)).toBeUndefined();
        await Promise.all(machines.map((machine) => machine[Symbol.asyncDispose]()));
        expect(await subject.leftovers()).toEqual([]);
      });

      it.each([
        ["before it begins", (abort: () => void) => abort()],
        ["when it has just begun", (abort: () => void) => setImmediate(abort)],
        ["in the middle", (abort: () => void) => setTimeout(abort, 40)],
      ])("leave nothing when provisioning is aborted %s", async (_when, schedule) => {
        const provider = await subject.create();
        const controller = new AbortController();
        const reason = new Error("no longer wanted");
        schedule(() => controller.abort(reason));
        const provisioning = provider.provision(spec(), controller.signal);
        // A quick provider may be done before: then there is a machine to dispose of.
        const outcome = await provisioning
          .then((machine) => machine[Symbol.asyncDispose]())
          .catch((error: unknown) => error);
        expect([undefined, reason]).toContain(outcome);
        expect(await subject.leftovers()).toEqual([]);
      });

      it("may be disposed of twice, also at the same time", async () => {
        const machine = await (await subject.create()).provision(spec(), never);
        await Promise.all([machine[Symbol.asyncDispose](), machine[Symbol.asyncDispose]()]);
        await machine[Symbol.asyncDispose]();
        expect(await subject.leftovers()).toEqual([]);
      });

      it("are not made from an image that is not there, and leave nothing", async () => {
        const provider = await subject.create();
        const provisioning = provider.provision({ ...spec(), image: "hearth-no-such-image" }, never);
        await expect(provisioning).rejects.toMatchObject({ name: "EngineError", code: "IMAGE_MISSING" });
        expect(await subject.leftovers()).toEqual([]);
      });

      it("end a command that still runs when they are disposed of, and do not count as lost", async () => {
        const machine = await (await subject.create()).provision(spec(), never);
        const { running } = await startWaiting(machine);
        const ended = running.catch((error: unknown) => error);
        await machine[Symbol.asyncDispose]();
        expect(await ended).toMatchObject({ name: "EngineError", code: "MACHINE_LOST" });
        expect(await Promise.race([machine.lost, Promise.resolve("not lost")])).toBe("not lost");
        expect(await subject.leftovers()).toEqual([]);
      });

      it("are lost when they end without having been asked to, and so is what ran in them", async (context) => {
        needs("lost", context);
        const machine = await (await subject.create()).provision(spec(), never);
        const { running } = await startWaiting(machine);
        const ended = running.catch((error: unknown) => error);
        await subject.kill?.(machine);
        expect(await machine.lost).toMatchObject({ reason: expect.stringMatching(/\w/) });
        expect(await ended).toMatchObject({ name: "EngineError", code: "MACHINE_LOST" });
        await machine[Symbol.asyncDispose]();
        expect(await subject.leftovers()).toEqual([]);
      });
    });
  });
}

function bulkOf({ bulk }: Machine, { skip }: TestContext): BulkInput {
  return bulk ?? skip("it has no other way in than the stream");
}

interface Ran {
  readonly result: ExecResult;
  readonly stdout: string;
  readonly stderr: string;
}

/** `onFirstOutput` is called once, when the command has shown that it runs. */
async function runExec(agent: AgentClient, request: ExecRequest, onFirstOutput?: () => Promise<void>): Promise<Ran> {
  const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  let first: Promise<void> | undefined;
  const result = await agent.exec(request, (stream, chunk) => {
    chunks[stream].push(chunk);
    first ??= onFirstOutput?.();
  });
  await first;
  return {
    result,
    stdout: Buffer.concat(chunks.stdout).toString(),
    stderr: Buffer.concat(chunks.stderr).toString(),
  };
}

/** A command that runs until somebody ends it; resolves when it does run. */
async function startWaiting(machine: Machine): Promise<{ running: Promise<ExecResult> }> {
  const agent = await openAgent(machine.agent);
  const { env } = await agent.ready();
  const { promise: started, resolve } = Promise.withResolvers<void>();
  const argv = ["bash", "-c", SCRIPTS.trapInterrupt];
  const request = { id: "waiting", argv, env, cwd: machine.layout.temp, user: "runner" as const, write: [], read: [] };
  const running = agent.exec(request, () => resolve());
  running.catch(() => undefined);
  await started;
  return { running };
}

function* pieces(tar: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < tar.length; at += 65_536) yield tar.subarray(at, at + 65_536);
}

function* brokenOff(): Generator<Uint8Array> {
  yield new Uint8Array(1_500_000);
  throw new Error("broken off");
}

async function sampleTar(): Promise<Uint8Array> {
  return await packTar([
    { header: { name: "deep/", type: "directory", size: 0, mode: 0o755 } },
    { header: { name: "deep/file", size: 5, mode: 0o644 }, body: "deep\n" },
    { header: { name: "run.sh", size: 10, mode: 0o755 }, body: "#!/bin/sh\n" },
    { header: { name: "link", type: "symlink", size: 0, linkname: "deep/file" } },
  ]);
}
