import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import type { ExecRequest } from "../protocol/agent-api.ts";
import type { AgentClient } from "../protocol/agent-client.ts";
import { inProcessAgent, offerAgent } from "../protocol/in-process-agent.ts";
import { fakeAgent } from "../provider/fake/fake-agent.ts";
import type { FakeExec } from "../provider/fake/fake-agent.ts";
import { enterRun } from "./enter-run.ts";
import type { LiveJob } from "./live-job.ts";
import { openRunDoor } from "./run-door.ts";

const directory = mkdtempSync(join(tmpdir(), "hearth-door-test-"));
afterEach(() => rmSync(directory, { recursive: true, force: true }));
const WAIT = { timeout: 10_000, interval: 5 };

interface Machine {
  readonly live: LiveJob;
  readonly files: Map<string, Buffer>;
  readonly execs: string[];
  readonly env: Record<string, string>;
  /** As a save does: the agent that was is of no use any more. */
  readonly replaceAgent: () => void;
}

function machine(job: string, script: (request: ExecRequest) => FakeExec | undefined = () => undefined): Machine {
  const files = new Map<string, Buffer>();
  const execs: string[] = [];
  const env: Record<string, string> = { PATH: "/bin", STAGE: "one" };
  const vitals = { oomKills: 0, freeBytes: 1, freeInodes: 1, memoryAvailableBytes: 1 };
  const open = (): AgentClient => {
    const agent = inProcessAgent(
      offerAgent(
        fakeAgent({
          bootId: job,
          home: "/home/runner",
          files,
          beforeReset: () => undefined,
          vitals: () => vitals,
          input: () => Buffer.alloc(0),
          answer(request) {
            execs.push(request.id);
            return script(request);
          },
        }),
      ),
    );
    if (agent === undefined) throw new Error("no agent");
    return agent;
  };
  let agent = open();
  const id = job.replace(/ .*/, "");
  const live = { job, id, machine: `m-${job}`, isolation: "none (fake)", agent: () => agent };
  return {
    live: { ...live, pausedAt: () => undefined, decide: () => false, place: () => ({ cwd: `/work/${job}`, env }) },
    files,
    execs,
    env,
    replaceAgent() {
      void agent[Symbol.asyncDispose]();
      agent = open();
    },
  };
}

function place(name = "run"): string {
  const path = join(directory, name);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}

const command = (id: string, argv = ["true"]): ExecRequest => ({
  id,
  argv,
  env: {},
  cwd: "/",
  user: "runner",
  write: [],
  read: [],
});

describe("the door of a run", () => {
  it("leads to the job, with the environment that its steps would have at that moment", async () => {
    const at = place();
    const { live, files, env } = machine("test", () => ({ code: 3, output: [["stderr", "said"]] }));
    await using door = await openRunDoor(at);
    using admission = door.admit(live);
    await using inside = await enterRun("r1", at, undefined);
    const { agent: _agent, [Symbol.asyncDispose]: _leave, ...told } = inside;
    expect(told).toEqual({ job: "test", machine: "m-test", isolation: "none (fake)", cwd: "/work/test" });
    env["STAGE"] = "two";
    expect(await inside.agent.ready()).toMatchObject({ bootId: "test", env: { STAGE: "two" } });

    const output: string[] = [];
    const end = await inside.agent.exec(
      command("1"),
      (stream, chunk) => void output.push(`${stream} ${chunk.toString()}`),
    );
    expect({ end, output }).toEqual({ end: { code: 3, signal: null, files: [] }, output: ["stderr said"] });
    await inside.agent.writeFile({ path: "/a/b", content: "x".repeat(100_000), mode: 0o600, user: "runner" });
    expect(files.get("/a/b")?.length).toBe(100_000);
    expect(await inside.agent.readFile("/a/b", 1 << 20)).toHaveLength(100_000);
    expect(await inside.agent.readFile("/none", 1)).toBeUndefined();
    await expect(inside.agent.readFile("/a/b", 5)).rejects.toMatchObject({ code: "GUEST_REFUSED" });
    const tar = await buffer(inside.agent.pack("/a"));
    await inside.agent.unpack("/c", Readable.from([tar]));
    expect(files.get("/c/b")?.length).toBe(100_000);
  });

  it("passes a shell on both ways, with its size and its end", async () => {
    const at = place();
    await using door = await openRunDoor(at);
    using admission = door.admit(machine("test").live);
    await using inside = await enterRun("r1", at, "test");
    let said = "";
    const size = { columns: 80, rows: 24 };
    const session = inside.agent.shell(
      { argv: ["bash"], env: { A: "b" }, cwd: "/w", user: "runner", size },
      (chunk) => void (said += chunk.toString()),
    );
    await expect.poll(() => said, WAIT).toContain("runner bash in /w");
    expect(door.visitors("test")).toBe(1);
    session.resize({ columns: 132, rows: 50 });
    await session.write(Buffer.from("size\nenv A\n"));
    await expect.poll(() => said, WAIT).toContain("132x50\r\nA=b");
    await session.write(Buffer.from("exit 9\n"));
    expect(await session.ended).toEqual({ code: 9, signal: null });
    expect(door.visitors("test")).toBe(0);
  });

  it("asks for the machine's agent anew each time", async () => {
    const at = place();
    const { live, replaceAgent } = machine("test");
    await using door = await openRunDoor(at);
    using admission = door.admit(live);
    await using inside = await enterRun("r1", at, "test");
    await inside.agent.ready();
    replaceAgent();
    expect((await inside.agent.ready()).bootId).toBe("test");
  });

  it("ends what a visitor runs when the visitor goes, and nothing else", async () => {
    const at = place();
    const ended: string[] = [];
    const { live, execs } = machine("test", ({ id }) => ({
      untilSignal: (signal) => {
        ended.push(`${id} ${signal}`);
        return { signal };
      },
    }));
    await using door = await openRunDoor(at);
    using admission = door.admit(live);
    const step = live.agent().exec(command("step"), () => undefined);
    const inside = await enterRun("r1", at, "test");
    const mine = inside.agent.exec(command("step"), () => undefined).catch((error: unknown) => error);
    await expect.poll(() => execs.length, WAIT).toBe(2);
    // By the same name, and still not the step.
    await inside.agent.signal({ id: "step", signal: "SIGINT", scope: "process" });
    expect(await mine).toMatchObject({ signal: "SIGINT" });
    const left = inside.agent.exec(command("left"), () => undefined).catch((error: unknown) => error);
    await expect.poll(() => execs.length, WAIT).toBe(3);
    await inside[Symbol.asyncDispose]();
    await left;
    await expect.poll(() => door.visitors("test"), WAIT).toBe(0);
    expect(ended).toEqual([expect.stringMatching(/^visit-1-step SIGINT$/), "visit-1-left SIGKILL"]);
    await live.agent().signal({ id: "step", signal: "SIGTERM", scope: "tree" });
    expect(await step).toMatchObject({ signal: "SIGTERM" });
  });

  it("lets nobody do what only the run does", async () => {
    const at = place();
    const { live, files } = machine("test");
    files.set("/work/a", Buffer.from("a"));
    await using door = await openRunDoor(at);
    using admission = door.admit(live);
    await using inside = await enterRun("r1", at, "test");
    await expect(inside.agent.reset({ empty: ["/work"] })).rejects.toMatchObject({ code: "GUEST_REFUSED" });
    const input = { path: "/dev/x", offsetBytes: 0, lengthBytes: 1 };
    await expect(inside.agent.unpackInput("/x", input, new AbortController().signal)).rejects.toThrow(/run's own/);
    expect([...files.keys()]).toEqual(["/work/a"]);
  });

  it("tells which jobs there are where none or more than one is meant", async () => {
    const at = place();
    await using door = await openRunDoor(at);
    await expect(enterRun("r1", at, undefined)).rejects.toMatchObject({
      code: "RUN_NOT_FOUND",
      message: expect.stringContaining("none of its jobs"),
    });
    using first = door.admit(machine("build (20)").live);
    using second = door.admit(machine("build (22)").live);
    for (const job of [undefined, "build"]) {
      await expect(enterRun("r1", at, job)).rejects.toMatchObject({
        message: expect.stringContaining("more than one"),
        hint: "Name one with --job: build (20), build (22).",
      });
    }
    await expect(enterRun("r1", at, "lint")).rejects.toThrow(/no job lint/);
    await using inside = await enterRun("r1", at, "build (22)");
    expect(inside.job).toBe("build (22)");
  });

  it("puts visitors out when the job is over, and is gone after the run", async () => {
    const at = place();
    const door = await openRunDoor(at);
    expect(statSync(join(at, "door.sock")).isSocket()).toBe(true);
    const admission = door.admit(machine("test").live);
    const visitor = await enterRun("r1", at, "test");
    admission[Symbol.dispose]();
    await expect(visitor.agent.ready()).rejects.toMatchObject({ code: "MACHINE_LOST" });
    await door[Symbol.asyncDispose]();
    expect(readdirSync(at)).toEqual([]);
    await expect(enterRun("r1", at, "test")).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  });

  it("takes the place of one that a killed process left, and of a file", async () => {
    const at = place();
    writeFileSync(join(at, "door.sock"), "");
    await using door = await openRunDoor(at);
    using admission = door.admit(machine("test").live);
    await using inside = await enterRun("r1", at, "test");
    expect(inside.job).toBe("test");
  });

  it.skipIf(process.platform !== "linux")("is found below a path that is longer than a socket's may be", async () => {
    const at = place(join("x".repeat(90), "y".repeat(90)));
    const door = await openRunDoor(at);
    using admission = door.admit(machine("test").live);
    await using inside = await enterRun("r1", at, "test");
    expect((await inside.agent.ready()).bootId).toBe("test");
    await door[Symbol.asyncDispose]();
    expect(existsSync(join(at, "door.sock"))).toBe(false);
  });

  it.each(["not json\n", '{"job":7}\n', "x".repeat(2 << 20)])(
    "turns away who says %.12s, and goes on",
    async (words) => {
      const at = place();
      await using door = await openRunDoor(at);
      using admission = door.admit(machine("test").live);
      const socket = connect(join(at, "door.sock"));
      socket.on("error", () => undefined).resume();
      socket.write(words);
      await new Promise<void>((resolve) => socket.once("close", () => resolve()));
      await using inside = await enterRun("r1", at, "test");
      expect(inside.job).toBe("test");
    },
  );

  it.each(["nonsense\n", '{"kind":"entered"}\n', ""])("is no door when it answers %j", async (words) => {
    const at = place();
    const server = createServer((socket) =>
      socket
        .on("error", () => undefined)
        .resume()
        .end(words),
    ).listen(join(at, "door.sock"));
    await once(server, "listening");
    await expect(enterRun("r1", at, "test")).rejects.toMatchObject({
      code: expect.stringMatching(/GUEST_PROTOCOL|MACHINE_LOST/),
    });
    await new Promise((resolve) => server.close(resolve));
  });
});
