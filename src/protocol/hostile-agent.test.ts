/**
 * SECURITY-RELIABILITY A31: an agent that speaks any bad dialect costs the host one named error in bounded time and memory. Each
 * case is a whole agent; what it does to one route stands for what it could do to any.
 */
import { performServerHandshake } from "node:http2";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import type { AgentClient } from "./agent-client.ts";
import type { AgentTiming } from "./agent-session.ts";
import { connectAgent } from "./connect-agent.ts";
import { duplexPair } from "./duplex-pair.ts";
import { encodeFile, encodeOutput } from "./frame.ts";

const IMPATIENT: AgentTiming = {
  answerMs: 150,
  hashFilesMs: 150,
  stallMs: 150,
  heartbeatMs: 15,
  heartbeatMisses: 3,
  killedMs: 60,
};

const request = {
  id: "1",
  argv: ["true"],
  env: {},
  cwd: "/",
  user: "runner" as const,
  write: [],
  read: [
    { path: "/a", maxBytes: 100 },
    { path: "/b", maxBytes: 100 },
  ],
};
const goodFiles = Buffer.concat([...encodeFile(0, { kind: "missing" }), ...encodeFile(1, { kind: "missing" })]);
const exited = JSON.stringify({ code: 0, signal: null });

type Route = (stream: ServerHttp2Stream, session: ServerHttp2Session) => void;

function agentThat(answer: Route): (guest: Duplex) => void {
  return (guest) => {
    const session = performServerHandshake(guest, { settings: { initialWindowSize: 8 << 20 } });
    session.on("error", () => undefined);
    session.on("stream", (stream: ServerHttp2Stream) => {
      stream.on("error", () => undefined).resume();
      answer(stream, session);
    });
  };
}

/** Frames as they go over the wire, sent when the host has made its request. */
function agentOfFrames(...frames: number[][]): (guest: Duplex) => void {
  return (guest) => {
    guest.once("data", () => guest.write(Buffer.from(frames.flat())));
    guest.resume();
  };
}

/** An exec answer with these bytes and this trailer. */
function answering(
  body: Buffer | readonly Buffer[],
  trailer: string | undefined,
  name = "x-exit",
): (guest: Duplex) => void {
  return agentThat((stream) => {
    stream.respond({ ":status": 200 }, { waitForTrailers: trailer !== undefined });
    stream.once("wantTrailers", () => stream.sendTrailers({ [name]: trailer ?? "" }));
    for (const part of Array.isArray(body) ? body : [body]) stream.write(part);
    stream.end();
  });
}

function header(kind: number, length: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt8(kind, 0);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

const GUEST_PROTOCOL = "GUEST_PROTOCOL";
const MACHINE_LOST = "MACHINE_LOST";
const exec = (agent: AgentClient): Promise<unknown> => agent.exec(request, () => undefined);
const ready = (agent: AgentClient): Promise<unknown> => agent.ready();

interface Dialect {
  readonly agent: (guest: Duplex) => void;
  readonly call: (agent: AgentClient) => Promise<unknown>;
  readonly code: string;
}

const json = (value: unknown): ((guest: Duplex) => void) => answering(Buffer.from(JSON.stringify(value)), undefined);
const goodReady = { bootId: "b", hostname: "h", uptimeMs: 1, arch: "x64", env: {} };

const DIALECTS: Record<string, Dialect> = {
  "bytes that are no HTTP/2": {
    agent: (guest) => guest.write("HTTP/1.1 400 Bad Request\r\n\r\n"),
    call: ready,
    code: GUEST_PROTOCOL,
  },
  "an endless line instead of HTTP/2": {
    agent: (guest) => guest.write(Buffer.alloc(1 << 20, "x")),
    call: ready,
    code: GUEST_PROTOCOL,
  },
  silence: { agent: () => undefined, call: ready, code: GUEST_PROTOCOL },
  "silence to a command": { agent: () => undefined, call: exec, code: MACHINE_LOST },
  "a session that never answers": { agent: agentThat(() => undefined), call: ready, code: GUEST_PROTOCOL },
  "a session that never answers a command": { agent: agentThat(() => undefined), call: exec, code: GUEST_PROTOCOL },
  "a hang-up at once": { agent: (guest) => guest.destroy(), call: ready, code: MACHINE_LOST },
  "a hang-up at the first request": {
    agent: agentThat((_, session) => session.destroy()),
    call: exec,
    code: MACHINE_LOST,
  },
  "an end of the stream": { agent: (guest) => guest.end(), call: ready, code: MACHINE_LOST },
  "a farewell": { agent: agentThat((_, session) => session.goaway()), call: exec, code: MACHINE_LOST },
  "a farewell with an error": { agent: agentThat((_, session) => session.goaway(2)), call: exec, code: GUEST_PROTOCOL },
  "a reset request": { agent: agentThat((stream) => stream.close(2)), call: exec, code: GUEST_PROTOCOL },
  "an answer that is not JSON": { agent: answering(Buffer.from("{"), undefined), call: ready, code: GUEST_PROTOCOL },
  "an answer of the wrong shape": { agent: json({ bootId: 1 }), call: ready, code: GUEST_PROTOCOL },
  "a boot id beyond its bound": {
    agent: json({ ...goodReady, bootId: "x".repeat(65) }),
    call: ready,
    code: GUEST_PROTOCOL,
  },
  "an answer that is too large": {
    agent: answering(Buffer.alloc(2 << 20, "x"), undefined),
    call: ready,
    code: GUEST_PROTOCOL,
  },
  "an endless answer": {
    agent: agentThat((stream) => flood(stream, Buffer.alloc(1 << 16, "x"))),
    call: ready,
    code: GUEST_PROTOCOL,
  },
  "a file larger than asked for": {
    agent: answering(Buffer.alloc(11), undefined),
    call: (agent) => agent.readFile("/x", 10),
    code: GUEST_PROTOCOL,
  },
  "half a file, and a hang-up": {
    agent: (guest) =>
      agentThat((stream) => {
        stream.respond({ ":status": 200 });
        stream.write("half", () => setImmediate(() => guest.destroy()));
      })(guest),
    call: (agent) => agent.readFile("/x", 10),
    code: MACHINE_LOST,
  },
  "half a file, broken off": {
    agent: agentThat((stream) => {
      stream.respond({ ":status": 200 });
      stream.write("half", () => stream.destroy(new Error("disk")));
    }),
    call: (agent) => agent.readFile("/x", 10),
    code: GUEST_PROTOCOL,
  },
  "a hash beyond its bound": {
    agent: json({ hash: "f".repeat(65) }),
    call: (agent) => agent.hashFiles({ workspace: "/", patterns: ["x"], followSymbolicLinks: false }),
    code: GUEST_PROTOCOL,
  },
  "a hash that never comes": {
    agent: agentThat(() => undefined),
    call: (agent) => agent.hashFiles({ workspace: "/", patterns: ["x"], followSymbolicLinks: false }),
    code: GUEST_PROTOCOL,
  },
  "an error with endless text": {
    agent: agentThat((stream) => {
      stream.respond({ ":status": 500 });
      flood(stream, Buffer.alloc(1 << 16, "x"));
    }),
    call: exec,
    code: GUEST_PROTOCOL,
  },
  "a frame of unknown kind": { agent: answering(header(9, 1), exited), call: exec, code: GUEST_PROTOCOL },
  "a frame beyond the limit": { agent: answering(header(1, 0xffffffff), exited), call: exec, code: GUEST_PROTOCOL },
  "an empty frame": { agent: answering(header(1, 0), exited), call: exec, code: GUEST_PROTOCOL },
  "an end within a frame's header": { agent: answering(Buffer.from([1, 0]), exited), call: exec, code: GUEST_PROTOCOL },
  "an end within a frame": {
    agent: answering([header(1, 100), Buffer.from("x")], exited),
    call: exec,
    code: GUEST_PROTOCOL,
  },
  "a hang-up within a frame": {
    agent: agentThat((stream, session) => {
      stream.respond({ ":status": 200 });
      stream.write(Buffer.concat([header(1, 100), Buffer.from("x")]), () => session.destroy());
    }),
    call: exec,
    code: MACHINE_LOST,
  },
  "a command that is never heard of again, while the heart beats": {
    agent: agentThat((stream) => stream.respond({ ":status": 200 })),
    call: async (agent) => {
      const running = agent.exec(request, () => undefined);
      running.catch(() => undefined);
      // `signal` is answered by nobody either: its deadline ends both.
      await agent.signal({ id: "1", signal: "SIGKILL", scope: "tree" });
      await running;
    },
    code: GUEST_PROTOCOL,
  },
  "a command that goes on after it was killed": {
    agent: agentThat((stream) => {
      stream.respond({ ":status": 200 });
      if (stream.sentHeaders[":status"] !== undefined && stream.id !== 1) stream.end("{}");
    }),
    call: async (agent) => {
      const running = agent.exec(request, () => undefined);
      await agent.signal({ id: "1", signal: "SIGKILL", scope: "tree" });
      await running;
    },
    code: GUEST_PROTOCOL,
  },
  "files that were not asked for": {
    agent: answering([goodFiles, ...encodeFile(2, { kind: "missing" })], exited),
    call: exec,
    code: GUEST_PROTOCOL,
  },
  "too few files": { agent: answering(encodeFile(0, { kind: "missing" }), exited), call: exec, code: GUEST_PROTOCOL },
  "files in another order": {
    agent: answering([...encodeFile(1, { kind: "missing" }), ...encodeFile(0, { kind: "missing" })], exited),
    call: exec,
    code: GUEST_PROTOCOL,
  },
  "the same file twice": {
    agent: answering([...encodeFile(0, { kind: "missing" }), ...encodeFile(0, { kind: "missing" })], exited),
    call: exec,
    code: GUEST_PROTOCOL,
  },
  "a file beyond its bound": {
    agent: answering(encodeFile(0, { kind: "content", content: Buffer.alloc(101) }), exited),
    call: exec,
    code: GUEST_PROTOCOL,
  },
  "output after the files": {
    agent: answering([goodFiles, ...encodeOutput("stdout", Buffer.from("x"))], exited),
    call: exec,
    code: GUEST_PROTOCOL,
  },
  "no exit": { agent: answering(goodFiles, undefined), call: exec, code: GUEST_PROTOCOL },
  "an exit under another name": { agent: answering(goodFiles, exited, "x-other"), call: exec, code: GUEST_PROTOCOL },
  "an exit that is not JSON": { agent: answering(goodFiles, "0"), call: exec, code: GUEST_PROTOCOL },
  "an exit that is broken JSON": { agent: answering(goodFiles, '{"code":'), call: exec, code: GUEST_PROTOCOL },
  "an exit code as text": {
    agent: answering(goodFiles, '{"code":"0","signal":null}'),
    call: exec,
    code: GUEST_PROTOCOL,
  },
  "an exit code out of range": {
    agent: answering(goodFiles, '{"code":256,"signal":null}'),
    call: exec,
    code: GUEST_PROTOCOL,
  },
  "a negative exit code": {
    agent: answering(goodFiles, '{"code":-1,"signal":null}'),
    call: exec,
    code: GUEST_PROTOCOL,
  },
  "a fraction of an exit code": {
    agent: answering(goodFiles, '{"code":0.5,"signal":null}'),
    call: exec,
    code: GUEST_PROTOCOL,
  },
  "neither code nor signal": {
    agent: answering(goodFiles, '{"code":null,"signal":null}'),
    call: exec,
    code: GUEST_PROTOCOL,
  },
  "success and failure at once": {
    agent: answering(goodFiles, '{"code":0,"signal":null,"failure":"x"}'),
    call: exec,
    code: GUEST_PROTOCOL,
  },
  "code and signal at once": {
    agent: answering(goodFiles, '{"code":0,"signal":"SIGKILL"}'),
    call: exec,
    code: GUEST_PROTOCOL,
  },
  "a signal that is none": {
    agent: answering(goodFiles, '{"code":null,"signal":"rm -rf"}'),
    call: exec,
    code: GUEST_PROTOCOL,
  },
  "a tar stream that stops": {
    agent: agentThat((stream) => {
      stream.respond({ ":status": 200 });
      stream.write(Buffer.alloc(512));
    }),
    call: (agent) => drain(agent.pack("/x")),
    code: GUEST_PROTOCOL,
  },
  "a tar stream without an end": {
    agent: answering(Buffer.alloc(512), undefined),
    call: (agent) => drain(agent.pack("/x")),
    code: GUEST_PROTOCOL,
  },
  "no room for a tar stream": {
    agent: agentThat((stream) => void stream.pause()),
    call: (agent) => agent.unpack("/x", Readable.from(endless(64 << 20))),
    code: GUEST_PROTOCOL,
  },
  "a pushed stream": {
    // SETTINGS, the host's SETTINGS acknowledged, then PUSH_PROMISE of stream 2 on stream 1 with `GET http /` in HPACK.
    agent: agentOfFrames(
      [0, 0, 0, 4, 0, 0, 0, 0, 0],
      [0, 0, 0, 4, 1, 0, 0, 0, 0],
      [0, 0, 7, 5, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0x82, 0x84, 0x86],
    ),
    call: exec,
    code: GUEST_PROTOCOL,
  },
  "an answer to a request that was never made": {
    agent: agentOfFrames([0, 0, 0, 4, 0, 0, 0, 0, 0], [0, 0, 1, 1, 4, 0, 0, 0, 99, 0x88]),
    call: ready,
    code: GUEST_PROTOCOL,
  },
  "no streams allowed": {
    agent: (guest) => {
      const session = performServerHandshake(guest, { settings: { maxConcurrentStreams: 0 } });
      session.on("error", () => undefined);
    },
    call: ready,
    code: GUEST_PROTOCOL,
  },
  "endless informational answers": {
    agent: agentThat((stream) => {
      const more = (): void => {
        if (stream.destroyed) return;
        for (let n = 0; n < 100; n++) stream.additionalHeaders({ ":status": 103 });
        setImmediate(more);
      };
      more();
    }),
    call: exec,
    code: GUEST_PROTOCOL,
  },
};

describe("an agent that speaks a bad dialect", () => {
  it.each(Object.entries(DIALECTS))("costs one named error: %s", async (_name, { agent: serve, call, code }) => {
    const [host, guest] = duplexPair();
    guest.on("error", () => undefined);
    const agent = connectAgent(host, IMPATIENT);
    serve(guest);
    const started = performance.now();
    await expect(call(agent)).rejects.toMatchObject({ name: "EngineError", code });
    expect(performance.now() - started).toBeLessThan(5_000);
    // Cut off for good: no later call waits or succeeds.
    await expect(agent.ready()).rejects.toMatchObject({ name: "EngineError", code });
    expect(host.destroyed).toBe(true);
  });
});

describe("an agent that floods", () => {
  it("is held back by a slow reader, and costs no more memory than the windows", async () => {
    const [host, guest] = duplexPair();
    agentThat((stream) => {
      stream.respond({ ":status": 200 });
      flood(stream, Buffer.concat(encodeOutput("stdout", Buffer.alloc(256 << 10, "x"))));
    })(guest);
    const agent = connectAgent(host, { ...IMPATIENT, answerMs: 60_000 });
    const before = process.memoryUsage();
    let received = 0;
    let peak = 0;
    const wanted = 256 << 20;
    const running = agent.exec(request, async (_stream, chunk) => {
      received += chunk.length;
      if (received >= wanted) throw new Error("enough");
      if (received % (8 << 20) < chunk.length) await new Promise((resolve) => setTimeout(resolve, 1));
      const { arrayBuffers, heapUsed } = process.memoryUsage();
      peak = Math.max(peak, arrayBuffers - before.arrayBuffers + (heapUsed - before.heapUsed));
    });
    await expect(running).rejects.toThrow("enough");
    expect(received).toBeGreaterThanOrEqual(wanted);
    expect(peak).toBeLessThan(128 << 20);
    await agent[Symbol.asyncDispose]();
  });

  it("stops sending when nobody reads", async () => {
    const [host, guest] = duplexPair();
    let sent = 0;
    agentThat((stream) => {
      stream.respond({ ":status": 200 });
      flood(stream, Buffer.concat(encodeOutput("stdout", Buffer.alloc(64 << 10, "x"))), (bytes) => (sent += bytes));
    })(guest);
    const agent = connectAgent(host, { ...IMPATIENT, heartbeatMs: 20 });
    const { promise: blocked, resolve: unblock } = Promise.withResolvers<void>();
    const running = agent.exec(request, () => blocked);
    running.catch(() => undefined);
    // Until nothing more has been sent for a while.
    let seen = -1;
    const isStill = (): boolean => {
      const still = sent > 0 && sent === seen;
      seen = sent;
      return still;
    };
    await expect.poll(isStill, { interval: 50 }).toBe(true);
    expect(sent).toBeLessThan(20 << 20);
    // The heart beats on meanwhile: being slow is no reason to lose a machine.
    await expect(Promise.race([running, Promise.resolve("runs")])).resolves.toBe("runs");
    await agent[Symbol.asyncDispose]();
    unblock();
    await expect(running).rejects.toMatchObject({ code: MACHINE_LOST });
  });
});

describe("the host's own part", () => {
  it("refuses a request that is too large before it is sent", async () => {
    const [host] = duplexPair();
    await using agent = connectAgent(host, IMPATIENT);
    const file = { path: "/x", content: "x".repeat(9 << 20), mode: 0o644, user: "runner" as const };
    await expect(agent.writeFile(file)).rejects.toMatchObject({ code: "GUEST_REFUSED" });
  });

  it("passes on the agent's own refusal and goes on", async () => {
    const [host, guest] = duplexPair();
    agentThat((stream) => {
      stream.respond({ ":status": 422 });
      stream.end("disk full");
    })(guest);
    await using agent = connectAgent(host, IMPATIENT);
    for (let n = 0; n < 2; n++) {
      await expect(agent.exec(request, () => undefined)).rejects.toMatchObject({
        code: "GUEST_REFUSED",
        message: /disk full/,
      });
    }
  });

  it("throws its own error through, and cancels the command", async () => {
    const [host, guest] = duplexPair();
    const { promise: cancelled, resolve } = Promise.withResolvers<void>();
    agentThat((stream) => {
      stream.once("close", resolve);
      stream.respond({ ":status": 200 });
      stream.write(Buffer.concat(encodeOutput("stdout", Buffer.from("x"))));
    })(guest);
    await using agent = connectAgent(host, IMPATIENT);
    const running = agent.exec(request, () => {
      throw new TypeError("ours");
    });
    await expect(running).rejects.toThrow(TypeError);
    await cancelled;
  });

  it("fails what is under way when it is disposed of", async () => {
    const [host, guest] = duplexPair();
    agentThat(() => undefined)(guest);
    const agent = connectAgent(host, { ...IMPATIENT, answerMs: 60_000 });
    const running = agent.exec(request, () => undefined).catch((error: unknown) => error);
    await agent[Symbol.asyncDispose]();
    expect(await running).toMatchObject({ code: MACHINE_LOST });
  });
});

function flood(stream: ServerHttp2Stream, piece: Buffer, onSent: (bytes: number) => void = () => undefined): void {
  if (!stream.headersSent) stream.respond({ ":status": 200 });
  const more = (): void => {
    if (stream.destroyed) return;
    stream.write(piece, () => {
      onSent(piece.length);
      more();
    });
  };
  more();
}

async function drain(bytes: AsyncIterable<Uint8Array>): Promise<number> {
  let total = 0;
  for await (const piece of bytes) total += piece.length;
  return total;
}

function* endless(limit: number): Generator<Uint8Array> {
  const piece = Buffer.alloc(1 << 20);
  for (let sent = 0; sent < limit; sent += piece.length) yield piece;
}
