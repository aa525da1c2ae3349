import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { ExecRequest } from "../protocol/agent-api.ts";
import type { AgentClient, ExecResult } from "../protocol/agent-client.ts";
import { AnswerStream } from "../protocol/answer-stream.ts";
import { connectAgent } from "../protocol/connect-agent.ts";
import { duplexPair } from "../protocol/duplex-pair.ts";
import { openAgent, openAhead } from "../protocol/open-agent.ts";
import { serveAgent } from "./serve-agent.ts";
import type { AgentOptions } from "./agent.ts";

const directory = mkdtempSync(join(tmpdir(), "hearth-agent-test-"));
afterAll(() => rmSync(directory, { recursive: true }));

const options: AgentOptions = { bootId: "boot", env: { HOME: "/" }, runner: undefined, resetWithin: undefined };
const PATH = process.env["PATH"] ?? "";
let execNumber = 0;

function start(changes: Partial<AgentOptions> = {}): AgentClient {
  const [host, guest] = duplexPair();
  void serveAgent(guest, { ...options, ...changes });
  return connectAgent(host);
}

function bash(script: string, changes: Partial<ExecRequest> = {}): ExecRequest {
  const id = `exec-${++execNumber}`;
  return { id, argv: ["bash", "-c", script], env: { PATH }, cwd: "/", user: "runner", write: [], read: [], ...changes };
}

async function run(agent: AgentClient, request: ExecRequest): Promise<ExecResult & { output: string }> {
  let output = "";
  const result = await agent.exec(request, (_stream, chunk) => {
    output += chunk.toString();
  });
  return { ...result, output };
}

describe("a command", () => {
  it("is looked for on its own PATH, not on the agent's", async () => {
    await using agent = start();
    const bin = join(directory, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "only-here"), "#!/bin/sh\necho found\n", { mode: 0o755 });
    expect(await run(agent, bash("", { argv: ["only-here"], env: { PATH: bin } }))).toMatchObject({
      output: "found\n",
    });
    expect(await run(agent, bash("", { argv: ["bash", "-c", "true"], env: { PATH: bin } }))).toMatchObject({
      failure: "No such program: bash",
    });
  });

  it.each([
    ["a NUL in its environment", { env: { A: "x\0y" } }],
    ["an argument list beyond the kernel's limit", { argv: ["true", "x".repeat(3 << 20)], env: { PATH } }],
    ["a program that may not be executed", { argv: ["/etc/passwd"] }],
    ["a file to write where a directory is", { write: [{ path: "/", content: "x", mode: 0o644 }] }],
    ["a file to write at no absolute path", { write: [{ path: "x", content: "x", mode: 0o644 }] }],
  ])("with %s fails with a reason, and the agent goes on", async (_what, changes) => {
    await using agent = start();
    const { code, signal, failure } = await run(agent, bash("true", changes));
    expect({ code, signal }).toEqual({ code: null, signal: null });
    expect(failure).toMatch(/\w/);
    expect((await run(agent, bash("exit 3"))).code).toBe(3);
  });

  it("has failed when its results cannot be read, whatever it exited with", async () => {
    await using agent = start();
    const loop = join(directory, "loop");
    symlinkSync(loop, loop);
    const result = await run(agent, bash("true", { read: [{ path: loop, maxBytes: 10 }] }));
    expect(result).toMatchObject({ code: null, failure: expect.stringContaining("ELOOP") });
  });

  it("does not write through a link that a step has planted", async () => {
    await using agent = start();
    const target = join(directory, "target");
    const link = join(directory, "link");
    writeFileSync(target, "precious");
    symlinkSync(target, link);
    const result = await run(agent, bash("true", { write: [{ path: link, content: "x", mode: 0o644 }] }));
    expect(result.failure).toMatch(/ELOOP/);
    expect(readFileSync(target, "utf8")).toBe("precious");
  });

  it("cannot have the id of one that runs", async () => {
    await using agent = start();
    const waiting = bash("echo on; sleep 1000");
    const { promise: on, resolve } = Promise.withResolvers<void>();
    const first = agent.exec(waiting, () => resolve());
    await on;
    await expect(run(agent, waiting)).rejects.toThrow(/used twice/);
    await agent.signal({ id: waiting.id, signal: "SIGKILL", scope: "tree" });
    expect(await first).toMatchObject({ signal: "SIGKILL" });
  });

  it.each(["says goodbye", "vanishes"])("is killed with all it started when the host %s", async (how) => {
    const [host, guest] = duplexPair();
    void serveAgent(guest, options);
    const agent = connectAgent(host);
    const marker = join(directory, "children");
    const script = `sleep 1000 & setsid sleep 1000 & jobs -p > ${marker}; echo on; wait`;
    const { promise: on, resolve } = Promise.withResolvers<void>();
    const running = agent.exec(bash(script), () => resolve()).catch((error: unknown) => error);
    await on;
    const children = readFileSync(marker, "utf8").trim().split("\n");
    expect(children).toHaveLength(2);
    if (how === "vanishes") host.destroy();
    else await agent[Symbol.asyncDispose]();
    expect(await running).toMatchObject({ code: "MACHINE_LOST" });
    await expect.poll(() => children.filter(isAlive), { interval: 5 }).toEqual([]);
  });

  it("has an out-of-memory score above the agent's", async () => {
    await using agent = start();
    const { output } = await run(agent, bash("sleep 0.1; cat /proc/self/oom_score_adj"));
    expect(output.trim()).toBe("500");
  });
});

describe.skipIf(process.getuid?.() !== 0)("an agent that is root (skipped for an ordinary user)", () => {
  const nobody = { uid: 65_534, gid: 65_534 };

  it("runs steps as the runner, and as root when asked to", async () => {
    await using agent = start({ runner: nobody });
    expect((await run(agent, bash("id -u; id -G"))).output).toBe("65534\n65534\n");
    expect((await run(agent, bash("id -u", { user: "root" }))).output).toBe("0\n");
  });

  it("gives the runner what it makes: files, their directories, unpacked trees, emptied directories", async () => {
    await using agent = start({ runner: nobody });
    const place = join(directory, "owned");
    await agent.writeFile({ path: join(place, "a/b"), content: "x", mode: 0o600, user: "runner" });
    await agent.reset({ empty: [join(place, "empty")] });
    for (const path of ["", "a", "a/b", "empty"]) expect(statSync(join(place, path)).uid).toBe(nobody.uid);
    expect(statSync(join(place, "a/b")).mode & 0o777).toBe(0o600);
    expect(statSync(directory).uid).toBe(0);
  });
});

describe("the agent", () => {
  it("can be opened ahead of whoever asks for it, and no file is left of its rehearsal", async () => {
    const [host, guest] = duplexPair();
    void serveAgent(guest, { ...options, env: { PATH } });
    await openAhead(host);
    expect(existsSync("/tmp/hearth-rehearsal")).toBe(false);
    await using agent = await openAgent(host);
    expect((await run(agent, bash("echo here"))).output).toBe("here\n");
  });

  it("that is gone when it is opened ahead says so", async () => {
    const [host, guest] = duplexPair();
    guest.destroy();
    await expect(openAhead(host)).rejects.toMatchObject({ code: "MACHINE_LOST" });
  });

  it("gives steps nothing of its own environment", async () => {
    await using agent = start({ env: { HOME: "/home/x" } });
    expect((await agent.ready()).env).toEqual({ HOME: "/home/x" });
    expect((await run(agent, bash("", { argv: ["/usr/bin/env"], env: {} }))).output).toBe("");
  });

  it("answers what it does not know or cannot parse with an error, and goes on", async () => {
    const [host, guest] = duplexPair();
    void serveAgent(guest, options);
    const session = connect("http://agent", { createConnection: () => host });
    const ask = async (path: string, body: string | Buffer): Promise<[number | undefined, string]> => {
      const stream = new AnswerStream(session.request({ ":method": "POST", ":path": path }, { endStream: false }));
      stream.send(Buffer.from(body));
      const status = await stream.status();
      let answer = "";
      for (let piece = await stream.next(); Buffer.isBuffer(piece); piece = await stream.next())
        answer += piece.toString();
      return [status, answer];
    };
    expect(await ask("/no-such-route", "{}")).toEqual([404, "no such route"]);
    expect((await ask("/exec", "not json"))[0]).toBe(422);
    expect((await ask("/exec", "{}"))[0]).toBe(422);
    expect((await ask("/signal", '{"id":"a","signal":"SIGSTOP","scope":"tree"}'))[0]).toBe(422);
    expect((await ask("/files/write", Buffer.alloc(9 << 20, "x")))[1]).toMatch(/more than/);
    expect((await ask("/ready", "{}"))[0]).toBe(200);
    session.destroy();
  });

  it("ends with its stream", async () => {
    const [host, guest] = duplexPair();
    const served = serveAgent(guest, options);
    host.destroy();
    await served;
    expect(guest.destroyed).toBe(true);
  });
});

function isAlive(pid: string): boolean {
  return existsSync(`/proc/${pid}`) && !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}
