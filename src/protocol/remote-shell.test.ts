/** A shell whose agent is hostile, or whose host is: each costs one named error, and nothing waits for ever. */
import { performServerHandshake } from "node:http2";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { fakeProvider } from "../provider/fake/provider.ts";
import type { ShellRequest } from "./agent-api.ts";
import type { AgentClient, ShellSession } from "./agent-client.ts";
import { connectAgent } from "./connect-agent.ts";
import { duplexPair } from "./duplex-pair.ts";
import { widenSessionWindow } from "./http2-settings.ts";
import { openAgent } from "./open-agent.ts";
import { MAX_REQUEST_BYTES } from "./limits.ts";

const IMPATIENT = {
  answerMs: 300,
  hashFilesMs: 300,
  stallMs: 300,
  heartbeatMs: 20,
  heartbeatMisses: 3,
  killedMs: 100,
};
const request: ShellRequest = {
  argv: ["bash"],
  env: { A: "b" },
  cwd: "/w",
  user: "runner",
  size: { columns: 80, rows: 24 },
};

type Route = (stream: ServerHttp2Stream, session: ServerHttp2Session) => void;

/** For an agent that answers: a busy host is no reason to give it up. */
const PATIENT = { ...IMPATIENT, answerMs: 60_000, heartbeatMs: 10_000 };

function agentThat(answer: Route, timing = PATIENT): AgentClient {
  const [host, guest] = duplexPair();
  serve(guest, answer);
  return connectAgent(host, timing);
}

function serve(guest: Duplex, answer: Route): void {
  const session = performServerHandshake(guest, { settings: { initialWindowSize: 1 << 16 } });
  session.on("error", () => undefined);
  widenSessionWindow(session);
  session.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => undefined);
    answer(stream, session);
  });
}

const ending =
  (trailer: string | undefined, name = "x-exit"): Route =>
  (stream) => {
    stream.resume();
    stream.respond({ ":status": 200 }, { waitForTrailers: trailer !== undefined });
    stream.once("wantTrailers", () => stream.sendTrailers({ [name]: trailer ?? "" }));
    stream.end("out");
  };

const refuse: (stream: ServerHttp2Stream) => void = (stream) => {
  stream.resume();
  stream.respond({ ":status": 422 }, { endStream: true });
};

const start = (agent: AgentClient): ShellSession => agent.shell(request, () => undefined);

describe("a shell with a hostile agent", () => {
  it.each<[string, Route, string]>([
    ["never answers", () => undefined, "GUEST_PROTOCOL"],
    ["hangs up", (_stream, session) => session.destroy(), "MACHINE_LOST"],
    ["resets the request", (stream) => stream.close(2), "GUEST_PROTOCOL"],
    ["refuses", refuse, "GUEST_REFUSED"],
    ["says no exit", ending(undefined), "GUEST_PROTOCOL"],
    ["says an exit under another name", ending('{"code":0,"signal":null}', "x-end"), "GUEST_PROTOCOL"],
    ["says an exit that is none", ending('{"code":256,"signal":null}'), "GUEST_PROTOCOL"],
    ["says two exits at once", ending('{"code":0,"signal":"SIGKILL"}'), "GUEST_PROTOCOL"],
    [
      "breaks off",
      (stream) => {
        stream.respond({ ":status": 200 });
        stream.write("half", () => stream.destroy(new Error("disk")));
      },
      "GUEST_PROTOCOL",
    ],
  ])("that %s fails with a name", async (_what, answer, code) => {
    await using agent = agentThat(answer, IMPATIENT);
    await expect(start(agent).ended).rejects.toMatchObject({ code });
  });

  it("that takes no input holds the typist back, and lets go at the end", async () => {
    await using agent = agentThat((stream) => {
      if (stream.id !== 1) return refuse(stream);
      stream.pause();
      stream.respond({ ":status": 200 });
    });
    const session = start(agent);
    let isWritten = false;
    const written = session.write(Buffer.alloc(4 << 20)).then(() => (isWritten = true));
    await expect(agent.ready()).rejects.toMatchObject({ code: "GUEST_REFUSED" });
    expect(isWritten).toBe(false);
    session.hangUp();
    await written;
  });

  it("that goes on for ever ends with the person's own hang-up, and the session lives", async () => {
    await using agent = agentThat((stream) => {
      if (stream.id !== 1) return refuse(stream);
      stream.resume();
      stream.respond({ ":status": 200 });
      const more = (): void => {
        while (!stream.destroyed && stream.write(Buffer.alloc(1 << 14)));
      };
      stream.on("drain", more);
      more();
    });
    let bytes = 0;
    const session = agent.shell(request, (chunk) => void (bytes += chunk.length));
    await expect.poll(() => bytes, { timeout: 10_000 }).toBeGreaterThan(1 << 20);
    session.hangUp();
    expect(await session.ended).toEqual({ code: null, signal: "SIGHUP" });
    await expect(agent.writeFile({ path: "/", content: "", mode: 0, user: "root" })).rejects.toMatchObject({
      code: "GUEST_REFUSED",
    });
  });

  it("is not asked for what is larger than a request may be", async () => {
    await using agent = agentThat(() => undefined);
    const env = { A: "x".repeat(MAX_REQUEST_BYTES) };
    await expect(agent.shell({ ...request, env }, () => undefined).ended).rejects.toMatchObject({
      code: "GUEST_REFUSED",
    });
  });
});

describe("the guest's end of a shell", () => {
  it("refuses what is no request, and goes on", async () => {
    await using machine = await fakeProvider().provision(
      { id: "m", cpus: 1, memoryMib: 1, certificateAuthorities: undefined, image: undefined },
      new AbortController().signal,
    );
    await using agent = await openAgent(machine.agent);
    for (const size of [
      { columns: 0, rows: 1 },
      { columns: 1, rows: 70_000 },
    ]) {
      await expect(agent.shell({ ...request, size }, () => undefined).ended).rejects.toMatchObject({
        code: "GUEST_REFUSED",
      });
    }
    await expect(agent.shell({ ...request, argv: [] }, () => undefined).ended).rejects.toMatchObject({
      code: "GUEST_REFUSED",
    });
    let said = "";
    const session = agent.shell(request, (chunk) => void (said += chunk.toString()));
    session.resize({ columns: 132, rows: 50 });
    await session.write(Buffer.from("size\nenv A\nexit 3\n"));
    expect(await session.ended).toEqual({ code: 3, signal: null });
    expect(said).toMatch(/^runner bash in \/w\r\n.*132x50\r\nA=b\r\n$/s);
  });
});
