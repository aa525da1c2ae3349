/**
 * One HTTP/2 session with a guest agent, held as if the agent were hostile: it dies once, with one cause, and every call that
 * is under way or comes later fails with that cause. Dying closes the stream, so nothing a guest does can keep a caller waiting.
 */
import { connect } from "node:http2";
import type { ClientHttp2Session } from "node:http2";
import type { Duplex } from "node:stream";
import { EngineError } from "../lib/engine-error.ts";
import { AnswerStream } from "./answer-stream.ts";
import { HTTP2_SETTINGS, widenSessionWindow } from "./http2-settings.ts";

/** Deadlines of the host's end. Only tests choose others than `AGENT_TIMING`. */
export interface AgentTiming {
  /** For an answer to anything but exec's run time and hash-files. */
  readonly answerMs: number;
  /** Beyond the 120 s that the agent allows itself. */
  readonly hashFilesMs: number;
  /** A tar stream must move within this time. */
  readonly stallMs: number;
  readonly heartbeatMs: number;
  /** Heartbeats in a row without an answer after which the machine is lost. */
  readonly heartbeatMisses: number;
  /** From an accepted SIGKILL of a tree to the end of its exec. */
  readonly killedMs: number;
}

export const AGENT_TIMING: AgentTiming = {
  answerMs: 60_000,
  hashFilesMs: 140_000,
  stallMs: 60_000,
  heartbeatMs: 5_000,
  heartbeatMisses: 3,
  killedMs: 20_000,
};

export class AgentSession {
  readonly #session: ClientHttp2Session;
  readonly #timing: AgentTiming;
  readonly #transport: Duplex;
  #failure: EngineError | undefined;
  #watched = 0;
  #heartbeat: NodeJS.Timeout | undefined;
  #unanswered = 0;

  constructor(transport: Duplex, timing: AgentTiming) {
    this.#transport = transport;
    this.#timing = timing;
    this.#session = connect("http://agent", { createConnection: () => transport, settings: HTTP2_SETTINGS });
    widenSessionWindow(this.#session);
    this.#session.on("error", (cause: Error) => this.fail(sessionError(cause)));
    // An agent that ends properly says so; one that complains has not understood us, or pretends so.
    this.#session.on("goaway", (code) =>
      this.fail(
        new EngineError(code === 0 ? "MACHINE_LOST" : "GUEST_PROTOCOL", `The agent went away with code ${code}`),
      ),
    );
    transport.on("error", (cause) => this.#lost(cause));
    transport.once("end", () => this.#lost(undefined));
    transport.once("close", () => this.#lost(undefined));
  }

  /** A POST request whose body the caller sends. Throws what the session died of. */
  open(path: string): AnswerStream {
    if (this.#failure !== undefined) throw this.#failure;
    return new AnswerStream(this.#session.request({ ":method": "POST", ":path": path }, { endStream: false }));
  }

  /** The first cause stays; the connection is closed at once. */
  fail(cause: EngineError): EngineError {
    if (this.#failure === undefined) {
      this.#failure = cause;
      this.#session.destroy();
      this.#transport.destroy();
      clearInterval(this.#heartbeat);
    }
    return this.#failure;
  }

  /** The outcome of `work`; when it takes too long the session fails with GUEST_PROTOCOL, which ends the work. */
  async within<T>(deadlineMs: number, what: string, work: Promise<T>): Promise<T> {
    const timer = setTimeout(
      () => this.fail(new EngineError("GUEST_PROTOCOL", `The agent did not ${what} within ${deadlineMs} ms`)),
      deadlineMs,
    );
    try {
      return await work;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Why a stream that did not end properly was closed; ends the session. Asynchronous, because the cause may arrive later. */
  async causeOfClose(): Promise<EngineError> {
    if (this.#failure === undefined) await afterPendingEvents();
    return this.fail(new EngineError("GUEST_PROTOCOL", "The agent broke off an answer"));
  }

  /** Pings while anything watches, because a machine that stopped says nothing. Returns what ends the watch. */
  watch(): () => void {
    if (this.#watched++ === 0) {
      this.#unanswered = 0;
      this.#heartbeat = setInterval(() => this.#beat(), this.#timing.heartbeatMs);
    }
    return () => {
      if (--this.#watched === 0) clearInterval(this.#heartbeat);
    };
  }

  /** Counts beats, not time: when this process itself was stopped for a while, only one beat has passed. */
  #beat(): void {
    const { heartbeatMisses, heartbeatMs } = this.#timing;
    if (this.#unanswered >= heartbeatMisses) {
      const seconds = (heartbeatMisses * heartbeatMs) / 1_000;
      this.fail(new EngineError("MACHINE_LOST", `The machine's agent has not answered for ${seconds} s`));
      return;
    }
    this.#unanswered += 1;
    if (this.#session.destroyed) return;
    this.#session.ping((error) => {
      if (error === null) this.#unanswered = 0;
    });
  }

  #lost(cause: Error | undefined): void {
    // Bytes that were no HTTP/2 close the stream too, and the session says so a moment later.
    void afterPendingEvents().then(() =>
      this.fail(new EngineError("MACHINE_LOST", "The stream to the machine's agent ended", { cause })),
    );
  }
}

function sessionError(cause: Error): EngineError {
  const code = "code" in cause ? String(cause.code) : "";
  return code.startsWith("ERR_HTTP2")
    ? new EngineError("GUEST_PROTOCOL", "The agent does not speak HTTP/2 properly", { cause })
    : new EngineError("MACHINE_LOST", "The stream to the machine's agent failed", { cause });
}

/** Node reports one broken connection as several events over a few turns of the loop. */
async function afterPendingEvents(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
