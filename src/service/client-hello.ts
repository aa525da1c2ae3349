/**
 * Reads the server name out of the first bytes of a TLS connection, so that a tunnel to one host is not used to speak to another
 * one at the same address (domain fronting; SECURITY-RELIABILITY A29). Reads only; nothing is decrypted.
 * Source: RFC 8446 §4.1.2 and §5.1, RFC 6066 §3.
 */

export type Opening =
  /** More bytes are needed. */
  | { readonly kind: "incomplete" }
  | { readonly kind: "not tls" }
  /** TLS by its first byte, but not as the standard has it, or longer than any honest client's. */
  | { readonly kind: "malformed" }
  /** `serverName` is undefined when the client named none. */
  | { readonly kind: "tls"; readonly serverName: string | undefined };

/** A hello with post-quantum keys takes about 2 KiB. */
export const MAX_OPENING_BYTES = 32 << 10;

export function readOpening(bytes: Buffer): Opening {
  if (bytes.length > 0 && bytes[0] !== HANDSHAKE_RECORD) return { kind: "not tls" };
  if (bytes.length > MAX_OPENING_BYTES) return { kind: "malformed" };
  const message = joinRecords(bytes);
  if (message === "malformed") return { kind: "malformed" };
  if (message.length < 4) return { kind: "incomplete" };
  if (message[0] !== CLIENT_HELLO) return { kind: "malformed" };
  const length = message.readUIntBE(1, 3);
  if (length > MAX_OPENING_BYTES) return { kind: "malformed" };
  if (message.length < 4 + length) return { kind: "incomplete" };
  try {
    return { kind: "tls", serverName: readServerName(new Reader(message.subarray(4, 4 + length))) };
  } catch (error) {
    if (error instanceof RangeError) return { kind: "malformed" };
    throw error;
  }
}

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME_EXTENSION = 0;
const HOST_NAME = 0;

/** A hello may be cut into any number of records, which is one way to hide it. */
function joinRecords(bytes: Buffer): Buffer | "malformed" {
  const fragments: Buffer[] = [];
  for (let at = 0; at + 5 <= bytes.length;) {
    if (bytes[at] !== HANDSHAKE_RECORD || bytes[at + 1] !== 3) return "malformed";
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0) return "malformed";
    fragments.push(bytes.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return Buffer.concat(fragments);
}

/** Throws RangeError when a length points past the end, or when two names are given. */
function readServerName(hello: Reader): string | undefined {
  hello.take(2 + 32);
  hello.take(hello.number(1));
  hello.take(hello.number(2));
  hello.take(hello.number(1));
  if (hello.isEmpty) return undefined;
  const extensions = new Reader(hello.take(hello.number(2)));
  let serverName: string | undefined;
  while (!extensions.isEmpty) {
    const type = extensions.number(2);
    const content = new Reader(extensions.take(extensions.number(2)));
    if (type !== SERVER_NAME_EXTENSION) continue;
    const names = new Reader(content.take(content.number(2)));
    if (serverName !== undefined || names.number(1) !== HOST_NAME) throw new RangeError("more than one server name");
    serverName = names.take(names.number(2)).toString("latin1").toLowerCase();
    if (!names.isEmpty) throw new RangeError("more than one server name");
  }
  return serverName;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.#at === this.#bytes.length;
  }

  number(size: 1 | 2): number {
    return this.take(size).readUIntBE(0, size);
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new RangeError("length past the end");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
