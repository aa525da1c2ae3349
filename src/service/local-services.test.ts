/** Against the guest's own end (`guest/egress.ts`) and real clients: curl and git. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { join } from "node:path";
import { promisify } from "node:util";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { GIT_ENVIRONMENT, createRepository, createTestDirectory } from "../git/repository.fixture.ts";
import type { TestDirectory } from "../git/repository.fixture.ts";
import { Uplink } from "../guest/egress.ts";
import { duplexPair } from "../protocol/duplex-pair.ts";
import { createServices } from "./local-services.ts";
import type { AttachedServices, NetworkDecision } from "./services.ts";

let directory: TestDirectory;
let head: string;
/** An ordinary server on this host's loopback, as a package registry may be. */
let registry: Server;
let decisions: NetworkDecision[];
let cleanups: (() => unknown)[];

beforeEach(async () => {
  directory = createTestDirectory();
  head = createRepository(join(directory.path, "own"), { a: "1" });
  decisions = [];
  cleanups = [];
  registry = createServer((request, response) => {
    let bytes = 0;
    request.on("data", (chunk: Buffer) => (bytes += chunk.length));
    request.on("end", () =>
      response.end(request.url === "/big" ? Buffer.alloc(8 << 20, "x") : `${request.method} ${request.url} ${bytes}`),
    );
  });
  await listen(registry);
});

afterEach(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
  directory[Symbol.dispose]();
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => server.close());
  return portOf(server);
}

function portOf(server: Server): number {
  const address: string | AddressInfo | null = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP listener has a port");
  return address.port;
}

async function attach(egress: Duplex | undefined): Promise<AttachedServices> {
  const services = createServices({
    lookup: (_owner, name) => (name === "own" ? join(directory.path, "own/.git") : undefined),
  });
  const attached = await services.attach({
    egress,
    network: { kind: "allow", hosts: [`127.0.0.1:${portOf(registry)}`] },
    onDecision: (decision) => decisions.push(decision),
  });
  cleanups.push(() => attached[Symbol.asyncDispose]());
  return attached;
}

/** The guest's two doors, on ports of this host. */
async function openMachine(): Promise<{ attached: AttachedServices; proxy: string; services: string }> {
  const [host, guest] = duplexPair();
  const attached = await attach(host);
  const uplink = new Uplink();
  void uplink.carry(guest);
  const door = async (destination: "proxy" | "services") => {
    const server = createTcpServer({ allowHalfOpen: true }, (socket) => void uplink.join(socket, destination));
    return `http://127.0.0.1:${await listen(server)}`;
  };
  return { attached, proxy: await door("proxy"), services: await door("services") };
}

async function run(program: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return await promisify(execFile)(program, args, { cwd: directory.path, env: GIT_ENVIRONMENT, maxBuffer: 16 << 20 })
    .then(({ stdout, stderr }) => ({ code: 0, stdout, stderr }))
    .catch((error: { code: number; stdout: string; stderr: string }) => error);
}

const curl = (proxy: string, ...args: string[]) =>
  run("curl", "-sS", "--max-time", "10", "--noproxy", "", "-x", proxy, ...args);

describe("a machine with an egress stream", () => {
  it("reaches what is allowed by plain HTTP and by tunnel, and is told why not of the rest", async () => {
    const { proxy, attached } = await openMachine();
    expect(attached.url).toBeUndefined();
    const url = `http://127.0.0.1:${portOf(registry)}`;
    expect((await curl(proxy, `${url}/a`, `${url}/b`)).stdout).toBe("GET /a 0GET /b 0");
    expect((await curl(proxy, "-p", `${url}/c`)).stdout).toBe("GET /c 0");
    expect((await curl(proxy, "-p", `${url}/big`)).stdout).toHaveLength(8 << 20);
    expect((await curl(proxy, "-T", join(directory.path, "own/a"), `${url}/up`)).stdout).toBe("PUT /up 1");
    expect((await curl(proxy, "http://evil.example/")).stdout).toBe(
      "hearth: refused evil.example:80: not on the allow list; allow it with --allow-host evil.example, or in hearth.yml: network: { allow: ['evil.example'] } with --network repository\n",
    );
    expect((await curl(proxy, "https://evil.example/")).stderr).toContain("response 403");
    expect((await curl(proxy, "https://169.254.169.254/latest/meta-data")).stderr).toContain("response 403");
    const said = decisions.map(({ host, port, allowed }) => `${host}:${port} ${allowed}`);
    expect(new Set(said)).toEqual(
      new Set([
        `127.0.0.1:${portOf(registry)} true`,
        "evil.example:80 false",
        "evil.example:443 false",
        "169.254.169.254:443 false",
      ]),
    );
    expect(said.filter((line) => line.endsWith("true"))).toHaveLength(5);
  });

  it("fetches its repository, and hears 404 for what is no service", async () => {
    const { services } = await openMachine();
    expect((await run("git", "ls-remote", `${services}/me/own`, "HEAD")).stdout).toBe(`${head}\tHEAD\n`);
    expect((await run("git", "clone", "-q", "--depth=1", `${services}/me/own`, "clone")).code).toBe(0);
    expect((await run("git", "ls-remote", `${services}/me/other`)).stderr).toContain(
      "hearth: no repository me/other here",
    );
    const { stdout } = await run("curl", "-sS", "--noproxy", "*", "-w", " %{http_code}", `${services}/nothing`);
    expect(stdout).toBe('{"message":"Not Found"} 404');
  });

  it("carries many connections at once", async () => {
    const { proxy } = await openMachine();
    const url = `http://127.0.0.1:${portOf(registry)}`;
    const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => curl(proxy, "-p", `${url}/${at}`)));
    expect(answers.map(({ stdout }) => stdout)).toEqual(answers.map((_, at) => `GET /${at} 0`));
  });

  it("loses every connection when it is over, also those in tunnels", async () => {
    const dialled: Socket[] = [];
    registry.on("connection", (socket: Socket) => dialled.push(socket));
    const [host, guest] = duplexPair();
    const attached = await attach(host);
    const session = openSession(guest);
    const tunnel = session.request({ ":method": "CONNECT", ":authority": "proxy" });
    tunnel.on("error", () => {});
    tunnel.write(`CONNECT 127.0.0.1:${portOf(registry)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const [answer] = await once(tunnel, "data");
    expect(String(answer)).toContain(" 200 ");
    await attached[Symbol.asyncDispose]();
    await attached[Symbol.asyncDispose]();
    await until(() => host.destroyed && tunnel.destroyed && dialled.every((socket) => socket.destroyed));
    expect(dialled).toHaveLength(1);
  });
});

describe("a hostile guest", () => {
  it("has at most 256 connections at once, and others get their turn", async () => {
    const [host, guest] = duplexPair();
    await attach(host);
    const session = openSession(guest);
    await once(session, "remoteSettings");
    expect(session.remoteSettings.maxConcurrentStreams).toBe(256);
    const streams: ClientHttp2Stream[] = [];
    let accepted = 0;
    for (let count = 0; count < 300; count++) {
      const stream = session.request({ ":method": "CONNECT", ":authority": "services" });
      stream.on("error", () => {});
      stream.once("response", () => accepted++);
      streams.push(stream);
    }
    await until(() => accepted === 256);
    for (const stream of streams.slice(0, 50)) stream.close();
    await until(() => accepted === 300);
    expect(accepted).toBe(300);
  });

  it.each([
    { ":method": "CONNECT", ":authority": "other" },
    { ":method": "CONNECT", ":authority": "proxy:80" },
    { ":method": "GET", ":path": "/", ":authority": "proxy" },
    { ":method": "POST", ":path": "/services", ":authority": "services" },
  ])("finds no other door by $:method to $:authority", async (headers) => {
    const [host, guest] = duplexPair();
    await attach(host);
    const stream = openSession(guest).request(headers);
    const status = await new Promise((resolve) => stream.once("response", (answer) => resolve(answer[":status"])));
    expect(status).toBe(404);
  });

  it("ends its own stream, and nothing else, by speaking anything but HTTP/2", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 30, maxLength: 300 }), async (bytes) => {
        const [host, guest] = duplexPair();
        const attached = await attach(host);
        guest.on("error", () => {});
        guest.write(Buffer.from(bytes));
        await until(() => host.destroyed);
        await attached[Symbol.asyncDispose]();
      }),
      { numRuns: 50 },
    );
    expect(decisions).toEqual([]);
  });

  it("cannot hold a connection open by saying nothing", async () => {
    const [host, guest] = duplexPair();
    await attach(host);
    const stream = openSession(guest).request({ ":method": "CONNECT", ":authority": "proxy" });
    stream.on("error", () => {});
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    cleanups.push(() => vi.useRealTimers());
    await once(stream, "response");
    stream.write("CONNECT ");
    vi.advanceTimersByTime(59_000);
    expect(stream.closed).toBe(false);
    vi.advanceTimersByTime(2_000);
    await until(() => stream.closed);
    expect(stream.closed).toBe(true);
  });
});

describe("a machine without an egress stream", () => {
  it("is served on loopback behind a secret path", async () => {
    const { url } = await attach(undefined);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}$/);
    expect((await run("git", "ls-remote", `${url}/me/own`, "HEAD")).stdout).toBe(`${head}\tHEAD\n`);
    const other = `${url?.slice(0, -1)}${url?.endsWith("A") === true ? "B" : "A"}`;
    for (const wrong of [
      `${other}/me/own`,
      `${new URL(url ?? "").origin}/me/own`,
      `${new URL(url ?? "").origin}//me/own`,
    ]) {
      expect((await run("git", "ls-remote", wrong)).code).not.toBe(0);
    }
  });

  it("gives every machine a secret of its own, and stops with it", async () => {
    const [first, second] = [await attach(undefined), await attach(undefined)];
    expect(new URL(first.url ?? "").pathname).not.toBe(new URL(second.url ?? "").pathname);
    await first[Symbol.asyncDispose]();
    expect((await run("git", "ls-remote", `${first.url}/me/own`)).code).not.toBe(0);
    expect((await run("git", "ls-remote", `${second.url}/me/own`)).code).toBe(0);
  });
});

function openSession(guest: Duplex): ClientHttp2Session {
  const session = connect("http://host", { createConnection: () => guest });
  session.on("error", () => {});
  cleanups.push(() => session.destroy());
  return session;
}

/** Looks again at each turn of the event loop; the test's own time limit ends it. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
