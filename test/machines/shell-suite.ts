/** What a shell with a terminal does in a real machine, whatever made it. */
import { expect } from "vitest";
import type { ShellRequest } from "../../src/protocol/agent-api.ts";
import type { AgentClient, ShellSession } from "../../src/protocol/agent-client.ts";
import { shell } from "./gvisor-fixture.ts";

const WAIT = { timeout: 120_000, interval: 20 };

export interface TypedShell {
  readonly session: ShellSession;
  readonly said: () => string;
  readonly type: (keys: string) => Promise<void>;
  /** What was said since the last time matches. */
  readonly shows: (pattern: RegExp) => Promise<void>;
}

export async function openShell(agent: AgentClient, changes: Partial<ShellRequest> = {}): Promise<TypedShell> {
  const { env } = await agent.ready();
  let said = "";
  let from = 0;
  const session = agent.shell(
    {
      argv: ["bash", "--norc", "--noprofile", "-i"],
      env: { ...env, TERM: "dumb", PS1: "ready> " },
      cwd: "/home/runner",
      user: "runner",
      size: { columns: 100, rows: 30 },
      ...changes,
    },
    (chunk) => {
      said += chunk.toString();
    },
  );
  return {
    session,
    said: () => said,
    type: (keys) => session.write(Buffer.from(keys)),
    async shows(pattern) {
      await expect.poll(() => said.slice(from), WAIT).toMatch(pattern);
      from = said.length;
    },
  };
}

/** Size and resize, Ctrl-C, job control, who it is, exit code. */
export async function anInteractiveShell(agent: AgentClient): Promise<void> {
  const { session, type, shows } = await openShell(agent);
  await shows(/ready> $/);
  await type("stty size; id -un; test -t 0 && echo has a terminal\r");
  await shows(/30 100\r\nrunner\r\nhas a terminal\r\n/);
  session.resize({ columns: 132, rows: 50 });
  await expect.poll(async () => (await shell(agent, "stty -F /dev/pts/0 size", "root")).output, WAIT).toBe("50 132");
  await type("stty size\r");
  await shows(/50 132\r\n/);
  await type("echo asleep; sleep 1000\r");
  await shows(/asleep\r\n/);
  await type("\x03");
  await shows(/ready> $/);
  await type("echo then $?\r");
  await shows(/then 130\r\n/);
  await type("sleep 1000 & jobs; kill %1; wait %1; echo waited $?\r");
  await shows(/Running.*waited 143/s);
  await type("exit 7\r");
  expect(await session.ended).toEqual({ code: 7, signal: null });
}

/** A megabyte pasted, ten of output. */
export async function muchOfIt(agent: AgentClient, outputBytes = 10_000_000): Promise<void> {
  const paste = `${"x".repeat(99)}\n`.repeat(10_486);
  const taking = await openShell(agent, { argv: ["sh", "-c", "stty -echo; exec cat > /tmp/pasted"] });
  await taking.type(paste);
  taking.session.endInput();
  expect(await taking.session.ended).toEqual({ code: 0, signal: null });
  expect(await shell(agent, "wc -c < /tmp/pasted; sort -u /tmp/pasted | wc -l")).toEqual({
    code: 0,
    output: `${paste.length}\n1`,
  });
  const giving = await openShell(agent, { argv: ["sh", "-c", `head -c ${outputBytes} /dev/zero | tr '\\0' x`] });
  expect(await giving.session.ended).toEqual({ code: 0, signal: null });
  expect(giving.said().length).toBe(outputBytes);
}

/** Its host hangs up: nothing of what it started stays. */
export async function goneWithItsHost(agent: AgentClient): Promise<void> {
  const script = "sleep 2001 & nohup sleep 2002 & setsid sleep 2003 & echo on; wait";
  const { session, shows } = await openShell(agent, { argv: ["bash", "-c", script] });
  await shows(/on\r\n/);
  const sleeping = async (): Promise<string> => (await shell(agent, "pgrep -fx 'sleep 200[0-9]' | wc -l")).output;
  expect(await sleeping()).toBe("3");
  session.hangUp();
  expect(await session.ended).toEqual({ code: null, signal: "SIGHUP" });
  await expect.poll(sleeping, WAIT).toBe("0");
  await expect.poll(async () => (await shell(agent, "pgrep -x script | wc -l", "root")).output, WAIT).toBe("0");
}

/** An image without `script` says so, and goes on. */
export async function withoutScript(agent: AgentClient): Promise<void> {
  await shell(agent, "mv /usr/bin/script /usr/bin/script.away", "root");
  const { session } = await openShell(agent);
  expect(await session.ended).toMatchObject({ failure: expect.stringContaining("bsdutils") });
  expect((await shell(agent, "mv /usr/bin/script.away /usr/bin/script", "root")).code).toBe(0);
}
