import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { ShellRequest } from "../protocol/agent-api.ts";
import type { AgentClient, ShellSession } from "../protocol/agent-client.ts";
import { connectAgent } from "../protocol/connect-agent.ts";
import { duplexPair } from "../protocol/duplex-pair.ts";
import { inProcessAgent, offerAgent } from "../protocol/in-process-agent.ts";
import { agentHandlers } from "./agent.ts";
import type { AgentOptions } from "./agent.ts";
import { serveAgent } from "./serve-agent.ts";

const directory = mkdtempSync(join(tmpdir(), "hearth-shell-test-"));
afterAll(() => rmSync(directory, { recursive: true }));

const options: AgentOptions = { bootId: "boot", env: { HOME: "/" }, runner: undefined, resetWithin: undefined };
const env = { PATH: process.env["PATH"] ?? "", TERM: "dumb", PS1: "ready> " };
const WAIT = { timeout: 15_000, interval: 10 };

interface Watched {
  readonly session: ShellSession;
  readonly said: () => string;
}

function watch(agent: AgentClient, changes: Partial<ShellRequest> = {}): Watched {
  let said = "";
  const request: ShellRequest = {
    argv: ["bash", "--norc", "--noprofile", "--noediting", "-i"],
    env,
    cwd: directory,
    user: "runner",
    size: { columns: 100, rows: 30 },
    ...changes,
  };
  const session = agent.shell(request, (chunk) => {
    said += chunk.toString();
  });
  return { session, said: () => said };
}

const AGENTS: Record<string, () => AgentClient> = {
  "over HTTP/2": () => {
    const [host, guest] = duplexPair();
    void serveAgent(guest, options);
    return connectAgent(host);
  },
  "in the same process": () => {
    const agent = inProcessAgent(offerAgent(agentHandlers(options)));
    if (agent === undefined) throw new Error("no agent in this process");
    return agent;
  },
};

describe.skipIf(process.platform !== "linux").each(Object.entries(AGENTS))("a shell %s", (_way, start) => {
  it("has a terminal of the size that was asked for, hears of a new one, and says how it ended", async () => {
    await using agent = start();
    const { session, said } = watch(agent);
    await expect.poll(said, WAIT).toMatch(/ready> $/);
    await session.write(Buffer.from("tty; stty size\n"));
    await expect.poll(said, WAIT).toMatch(/\/dev\/pts\/\d+\r\n30 100\r\n/);
    await session.write(Buffer.from("exit 7\n"));
    expect(await session.ended).toEqual({ code: 7, signal: null });

    const script = "trap 'echo told' WINCH; echo up; while sleep 0.05; do stty size; done";
    const sized = watch(agent, { argv: ["bash", "-c", script] });
    await expect.poll(sized.said, WAIT).toContain("up\r\n");
    sized.session.resize({ columns: 90, rows: 20 });
    sized.session.resize({ columns: 132, rows: 50 });
    await expect.poll(sized.said, WAIT).toMatch(/told\r\n.*\n50 132\r\n/s);
    sized.session.hangUp();
    await sized.session.ended;
  });

  it("passes Ctrl-C on to what runs in the foreground, and goes on itself", async () => {
    await using agent = start();
    const { session, said } = watch(agent);
    // Said by what is in the foreground: a Ctrl-C before that is the shell's own.
    await session.write(Buffer.from("sh -c 'echo asleep; exec sleep 1000'\n"));
    await expect.poll(said, WAIT).toContain("asleep\r\n");
    await session.write(Buffer.from("\x03"));
    await session.write(Buffer.from("echo then $?\nexit\n"));
    await session.ended;
    expect(said()).toContain("then 130\r\n");
  });

  it("reads the end of its input as Ctrl-D", async () => {
    await using agent = start();
    const { session } = watch(agent);
    await session.write(Buffer.from("false\n"));
    session.endInput();
    expect(await session.ended).toEqual({ code: 1, signal: null });
    const within = watch(agent, { argv: ["sh", "-c", "stty -echo; read line; echo got $line"] });
    await within.session.write(Buffer.from("half"));
    within.session.endInput();
    expect((await within.session.ended).code).toBe(0);
    expect(within.said()).toContain("got half\r\n");
  });

  it("takes a megabyte that is pasted, and gives ten of output", async () => {
    await using agent = start();
    const paste = Buffer.from(`${"x".repeat(99)}\n`.repeat(10_486));
    const { session } = watch(agent, { argv: ["sh", "-c", "stty -echo; echo; exec cat > pasted"] });
    await session.write(paste);
    session.endInput();
    expect((await session.ended).code).toBe(0);
    expect(readFileSync(join(directory, "pasted")).equals(paste)).toBe(true);

    let bytes = 0;
    const loud = agent.shell(
      { ...request(), argv: ["sh", "-c", "head -c 10000000 /dev/zero | tr '\\0' x"] },
      async (chunk) => {
        bytes += chunk.length;
        await new Promise((resolve) => setImmediate(resolve));
      },
    );
    expect(await loud.ended).toEqual({ code: 0, signal: null });
    expect(bytes).toBe(10_000_000);
  });

  it("gives the program its own words, variables and directory, whatever is in them", async () => {
    await using agent = start();
    const words = ["a b", "it's", "$HOME", "", "x\ny", "*"];
    const { session, said } = watch(agent, {
      argv: ["sh", "-c", 'printf "[%s]" "$@"; printf "%s %s" "$SHELL" "$PWD"', "sh", ...words],
      env: { ...env, SHELL: "/bin/it's" },
    });
    await session.ended;
    expect(said()).toBe(`${words.map((word) => `[${word.replace("\n", "\r\n")}]`).join("")}/bin/it's ${directory}`);
  });

  it.each([
    ["a program that is not there", { argv: ["no-such-program"] }, { code: 127, signal: null }],
    ["a directory that is not there", { cwd: "/nowhere" }, { failure: "No such directory: /nowhere" }],
    ["a NUL in its environment", { env: { A: "x\0y" } }, { code: null, failure: expect.stringMatching(/null byte/) }],
    [
      "more words than the kernel takes",
      { argv: ["true", ...Array<string>(3).fill("x".repeat(65_000))] },
      { code: null },
    ],
  ])("with %s ends with a reason, and the agent goes on", async (_what, changes, end) => {
    await using agent = start();
    expect(await watch(agent, changes).session.ended).toMatchObject(end);
    expect((await agent.ready()).bootId).toBe("boot");
  });

  it.each(["hangs up", "goes away"] as const)("is killed with all it started when the host %s", async (how) => {
    const agent = start();
    const marker = join(directory, `children-${how}`);
    const script = `sleep 1000 & nohup sleep 1000 & setsid sleep 1000 & jobs -p > '${marker}'; echo $$ >> '${marker}'; echo on; wait`;
    const { session, said } = watch(agent, { argv: ["bash", "-c", script] });
    await expect.poll(said, WAIT).toContain("on\r\n");
    const children = readFileSync(marker, "utf8").trim().split("\n");
    expect(children).toHaveLength(4);
    const ended = session.ended.catch((error: unknown) => error);
    if (how === "hangs up") session.hangUp();
    else await agent[Symbol.asyncDispose]();
    const end = { "hangs up": { code: null, signal: "SIGHUP" }, "goes away": { code: "MACHINE_LOST" } }[how];
    expect(await ended).toMatchObject(end);
    await expect.poll(() => children.filter(isAlive), WAIT).toEqual([]);
    // Typing into nothing is no fault.
    await session.write(Buffer.from("x"));
    session.resize({ columns: 1, rows: 1 });
    session.hangUp();
    await agent[Symbol.asyncDispose]();
  });

  it("is killed when whoever takes its output fails, who hears of that", async () => {
    await using agent = start();
    const failing = agent.shell({ ...request(), argv: ["sh", "-c", "echo $$; sleep 1000"] }, () => {
      throw new Error("no room");
    });
    await expect(failing.ended).rejects.toThrow("no room");
  });
});

function request(): ShellRequest {
  return { argv: ["sh"], env, cwd: directory, user: "runner", size: { columns: 80, rows: 24 } };
}

function isAlive(pid: string): boolean {
  return existsSync(`/proc/${pid}`) && !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}
