/** Both ways to the host, over real unix sockets: one dialled as in gVisor, one read by descriptor as a virtio port is. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, constants, mkdtempSync, rmSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bundleAgent } from "../../scripts/bundle-agent.ts";
import { connectAgent } from "../protocol/connect-agent.ts";
import { greetGuest } from "../protocol/greeting.ts";
import { serveAgent } from "./serve-agent.ts";
import { dialHost } from "./dial-host.ts";
import { acceptHosts } from "./virtio-port.ts";

let directory = "";
let server: Server;
let stop = new AbortController();
const sockets: Socket[] = [];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "hearth-transport-"));
  stop = new AbortController();
  server = createServer((socket) => void sockets.push(socket.on("error", () => undefined)));
  server.listen(join(directory, "agent.sock"));
  await once(server, "listening");
});
afterEach(async () => {
  stop.abort();
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
  await once(server, "close");
  rmSync(directory, { recursive: true });
});

const serve = async (session: Duplex): Promise<void> =>
  serveAgent(session, { bootId: "boot", env: {}, runner: undefined, resetWithin: undefined });

async function nextGuest(): Promise<Socket> {
  const [socket] = await once(server, "connection");
  return socket;
}

async function bootIdOf(socket: Duplex): Promise<string> {
  await greetGuest(socket, { deadlineMs: 5_000 });
  return (await connectAgent(socket).ready()).bootId;
}

describe("a guest that dials its host", () => {
  it("answers after a greeting, and dials again when the session is over", async () => {
    const dialling = dialHost(join(directory, "agent.sock"), serve, stop.signal);
    for (let session = 0; session < 3; session++) {
      const guest = await nextGuest();
      expect(await bootIdOf(guest)).toBe("boot");
      guest.destroy();
    }
    stop.abort();
    await dialling;
  });

  it("drops a socket that gets no greeting, as one that died in a checkpoint", async () => {
    const dialling = dialHost(join(directory, "agent.sock"), serve, stop.signal);
    const silent = await nextGuest();
    silent.resume();
    const again = nextGuest();
    await once(silent, "close");
    expect(await bootIdOf(await again)).toBe("boot");
    stop.abort();
    await dialling;
  });

  it("waits for a host that does not listen yet", async () => {
    const late = join(directory, "late.sock");
    const dialling = dialHost(late, serve, stop.signal);
    const lateServer = createServer().listen(late);
    const [guest] = await once(lateServer, "connection");
    expect(await bootIdOf(guest)).toBe("boot");
    stop.abort();
    guest.destroy();
    lateServer.close();
    await dialling;
  });
});

/** A descriptor that is read and written as a port's: an open socket that Node itself does not read. */
async function port(): Promise<{ host: Socket; fd: number; close: () => void }> {
  const guest = connect(join(directory, "agent.sock"));
  guest.pause();
  const host = await nextGuest();
  const handle: unknown = Reflect.get(guest, "_handle");
  const fd: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined;
  if (typeof fd !== "number") throw new Error("no descriptor");
  return { host, fd, close: () => guest.destroy() };
}

describe("a guest with a virtio port", () => {
  it("answers a host after its hello, over whatever is in the port", async () => {
    const { host, fd, close } = await port();
    const accepting = acceptHosts(fd, (session) => void serve(session), stop.signal);
    host.write(Buffer.alloc(100_000, "leftover"));
    expect(await bootIdOf(host)).toBe("boot");
    stop.abort();
    await accepting;
    close();
  });

  it("moves much data both ways", async () => {
    const { host, fd, close } = await port();
    const accepting = acceptHosts(fd, (session) => void serve(session), stop.signal);
    await greetGuest(host, { deadlineMs: 5_000 });
    const agent = connectAgent(host);
    const path = join(directory, "file");
    const content = "0123456789abcdef".repeat(1 << 18);
    await agent.writeFile({ path, content, mode: 0o644, user: "runner" });
    const copies = await Promise.all([1, 2].map(() => agent.readFile(path, content.length)));
    for (const copy of copies) expect(copy?.toString() === content).toBe(true);
    await agent[Symbol.asyncDispose]();
    stop.abort();
    await accepting;
    close();
  });

  it("drops the session when another host says hello, and answers the new one", async () => {
    const { host, fd, close } = await port();
    const sessions: Duplex[] = [];
    const { promise: received, resolve } = Promise.withResolvers<void>();
    const accepting = acceptHosts(fd, (session) => void sessions.push(session.on("data", resolve)), stop.signal);
    await greetGuest(host, { deadlineMs: 5_000 });
    host.write("half a frame of the old host");
    await received;
    await greetGuest(host, { deadlineMs: 5_000 });
    await expect.poll(() => sessions.length, { interval: 2 }).toBe(2);
    expect(sessions[0]?.destroyed).toBe(true);
    expect(sessions[1]?.destroyed).toBe(false);
    stop.abort();
    await accepting;
    close();
  });

  it("ends the session when the host has gone: reads of 0 bytes", async () => {
    const { host, fd, close } = await port();
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const accepting = acceptHosts(fd, (session) => session.resume().once("close", resolve), stop.signal);
    await greetGuest(host, { deadlineMs: 5_000 });
    host.end();
    await expect(ended).resolves.toBeUndefined();
    stop.abort();
    await accepting;
    close();
  });
});

describe("the agent's entry", () => {
  it("dials the socket it is given, and tells its own environment to nobody", async () => {
    // As root it wants a user `runner`, which only a guest has; as anybody else it is what it is.
    const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    chmodSync(directory, 0o755);
    // That user may not be let into the directory in which this project stands.
    const [node, entry] = [join(directory, "node"), join(directory, "agent.mjs")];
    await Promise.all([copyFile(process.execPath, node, constants.COPYFILE_FICLONE), bundleAgent(entry)]);
    chmodSync(join(directory, "agent.sock"), 0o777);
    const env = { HEARTH_AGENT_SOCKET: join(directory, "agent.sock"), SECRET: "x" };
    const child = spawn(node, [entry], { env, stdio: "inherit", ...user });
    const guest = await nextGuest();
    await greetGuest(guest, { deadlineMs: 10_000 });
    await using agent = connectAgent(guest);
    const ready = await agent.ready();
    expect(Object.keys(ready.env)).toEqual(expect.arrayContaining(["HOME", "LOGNAME", "PATH", "USER"]));
    expect(JSON.stringify(ready.env)).not.toMatch(/SECRET|HEARTH/);
    let output = "";
    const request = {
      id: "1",
      argv: ["/usr/bin/env"],
      env: { A: "1" },
      cwd: "/",
      user: "root" as const,
      write: [],
      read: [],
    };
    await agent.exec(request, (_stream, chunk) => void (output += chunk.toString()));
    expect(output).toBe("A=1\n");
    child.kill("SIGKILL");
    await once(child, "exit");
    await expect(agent.ready()).rejects.toMatchObject({ code: "MACHINE_LOST" });
  });

  it("ends with a reason where there is no way to a host", async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "main.ts")], {
      env: {},
      stdio: ["ignore", "ignore", "pipe"],
    });
    let printed = "";
    child.stderr.on("data", (chunk: Buffer) => (printed += chunk.toString()));
    const [code] = await once(child, "close");
    expect(code).not.toBe(0);
    expect(printed).toMatch(/no way to the host/);
  });
});
