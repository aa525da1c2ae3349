/** Joins two byte streams in both directions until both have ended, one of them breaks, or nothing moves for too long. */
import { Transform } from "node:stream";
import type { Duplex, TransformCallback } from "node:stream";
import { MAX_OPENING_BYTES, readOpening } from "./client-hello.ts";

export interface TunnelOptions {
  readonly idleTimeoutMs: number;
  /** The only name that TLS through this tunnel may ask for; undefined: any. */
  readonly serverName: string | undefined;
  /** TLS asked for another name, or for one that cannot be read (undefined); nothing of it was passed on. */
  readonly onWrongServerName: (serverName: string | undefined) => void;
}

/** An end is passed on, each direction by itself; anything else closes both. */
export function joinStreams(client: Duplex, server: Duplex, options: TunnelOptions): void {
  const gate = new ServerNameGate(options);
  const closeAll = () => {
    clearTimeout(idle);
    client.destroy();
    gate.destroy();
    server.destroy();
  };
  const idle = setTimeout(closeAll, options.idleTimeoutMs);
  for (const stream of [client, server]) {
    stream.on("data", () => idle.refresh());
    stream.on("error", closeAll);
    stream.once("close", () => {
      // After both ends the streams close by themselves, one slightly before the other.
      if (!(client.readableEnded && server.readableEnded)) closeAll();
      clearTimeout(idle);
    });
  }
  gate.on("error", closeAll);
  client.pipe(gate).pipe(server);
  server.pipe(client);
}

/** Holds the first bytes back until they say which name they ask for. */
class ServerNameGate extends Transform {
  readonly #options: TunnelOptions;
  #held: Buffer | undefined = Buffer.alloc(0);

  constructor(options: TunnelOptions) {
    super();
    this.#options = options;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#held === undefined || this.#options.serverName === undefined) return done(null, chunk);
    this.#held = Buffer.concat([this.#held, chunk]);
    const opening = readOpening(this.#held);
    switch (opening.kind) {
      case "incomplete":
        return this.#held.length > MAX_OPENING_BYTES ? this.#refuse(undefined, done) : done();
      case "malformed":
        return this.#refuse(undefined, done);
      case "tls":
        if (opening.serverName !== undefined && opening.serverName !== this.#options.serverName) {
          return this.#refuse(opening.serverName, done);
        }
        return this.#release(done);
      case "not tls":
        return this.#release(done);
    }
  }

  override _flush(done: TransformCallback): void {
    this.#release(done);
  }

  #release(done: TransformCallback): void {
    const held = this.#held;
    this.#held = undefined;
    done(null, held !== undefined && held.length > 0 ? held : undefined);
  }

  #refuse(serverName: string | undefined, done: TransformCallback): void {
    this.#options.onWrongServerName(serverName);
    done(new Error("TLS asks for another server name"));
  }
}
