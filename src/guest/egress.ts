/**
 * The way out of a machine that has no network: what connects to the proxy's or the services' address inside becomes one HTTP/2
 * CONNECT stream to the host, where it is decided and logged. Bytes are passed as they are; nothing here reads them, because a
 * guest's own root could change what it would enforce (SECURITY-RELIABILITY §0.5).
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:http2";
import type { ClientHttp2Session } from "node:http2";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { networkInterfaces } from "node:os";
import type { Duplex } from "node:stream";
import { promisify } from "node:util";
import { HTTP2_SETTINGS, widenSessionWindow } from "../protocol/http2-settings.ts";

/** Where a connection is to be taken; the host knows these two names (`:authority` of the CONNECT stream). */
type Destination = "proxy" | "services";

interface Door {
  readonly destination: Destination;
  readonly address: string;
  readonly port: number;
}

/** The services have an address of their own, so that containers in the guest reach it too. */
const SERVICES_ADDRESS = "10.77.0.1";
export const DOORS: readonly Door[] = [
  { destination: "proxy", address: "127.0.0.1", port: 3128 },
  { destination: "services", address: SERVICES_ADDRESS, port: 9009 },
];

/** For a host that comes back after a checkpoint; one that takes longer is gone. */
const UPLINK_WAIT_MS = 10_000;

/** The current session with the host, and whoever waits for one. */
export class Uplink {
  #session: ClientHttp2Session | undefined;
  readonly #waiting = new Set<(session: ClientHttp2Session) => void>();

  /** Carries connections over this stream until it ends, then resolves; never rejects. A later stream takes its place. */
  async carry(stream: Duplex): Promise<void> {
    const ended = new Promise((resolve) => stream.once("close", resolve));
    stream.on("error", () => undefined);
    const session = connect("http://host", { createConnection: () => stream, settings: HTTP2_SETTINGS });
    session.on("error", () => stream.destroy());
    session.once("close", () => stream.destroy());
    // Node does not notice by itself when a stream that is no socket is destroyed.
    stream.once("close", () => session.destroy());
    widenSessionWindow(session);
    this.#session = session;
    for (const found of this.#waiting) found(session);
    this.#waiting.clear();
    await ended;
    if (this.#session === session) this.#session = undefined;
  }

  /**
   * Joins an accepted connection to a stream of its own. Each direction's end is passed on by itself; a host that refuses, does
   * not come or is lost resets the connection, because a plain close would look like the end of an answer.
   */
  async join(socket: Socket, destination: Destination): Promise<void> {
    const reset = (): void => void socket.resetAndDestroy();
    socket.on("error", () => socket.destroy());
    const session = await this.#nextSession();
    if (session === undefined || socket.destroyed) return reset();
    const stream = session.request({ ":method": "CONNECT", ":authority": destination }, { endStream: false });
    stream.on("error", reset);
    stream.once("response", (headers) => {
      if (headers[":status"] !== 200) reset();
    });
    let ended = false;
    stream.once("end", () => {
      // Node also ends a stream that it destroys because the host is gone.
      ended = !stream.destroyed;
      if (ended) socket.end();
    });
    stream.once("close", () => {
      if (!ended) reset();
    });
    socket.once("close", () => {
      if (!stream.destroyed) stream.close();
    });
    socket.pipe(stream);
    stream.pipe(socket, { end: false });
  }

  async #nextSession(): Promise<ClientHttp2Session | undefined> {
    if (this.#session !== undefined && !this.#session.destroyed) return this.#session;
    const { promise, resolve } = Promise.withResolvers<ClientHttp2Session | undefined>();
    this.#waiting.add(resolve);
    const timer = setTimeout(() => resolve(undefined), UPLINK_WAIT_MS);
    const session = await promise;
    clearTimeout(timer);
    this.#waiting.delete(resolve);
    return session;
  }
}

/** Listens at one door; resolves with the function that stops listening. */
export async function openDoor(door: Door, uplink: Uplink): Promise<() => void> {
  // Half-open, because a client may send its whole request, end, and wait for the answer.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    void uplink.join(socket, door.destination);
  });
  server.listen(door.port, door.address);
  try {
    await once(server, "listening");
  } catch (error) {
    if (!isCode(error, "EADDRNOTAVAIL")) throw error;
    await addAddress(door.address);
    server.listen(door.port, door.address);
    await once(server, "listening");
  }
  return () => server.close();
}

/** gVisor restores a machine without the addresses that were added in it: what listens there is heard of no more. */
export async function restoreAddresses(): Promise<void> {
  const present = new Set(
    Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)),
  );
  if (!present.has(SERVICES_ADDRESS)) await addAddress(SERVICES_ADDRESS);
}

/** On `lo`, because gVisor has no dummy device. */
async function addAddress(address: string): Promise<void> {
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
  await promisify(execFile)("/bin/ip", ["address", "add", `${address}/32`, "dev", "lo"], { env });
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
