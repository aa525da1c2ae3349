import { once } from "node:events";
import { connect } from "node:tls";
import { PassThrough, Duplex } from "node:stream";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readOpening } from "./client-hello.ts";

/** What Node's own TLS client sends first. */
async function clientHello(servername: string | undefined): Promise<Buffer> {
  const sent = new PassThrough();
  const wire = new Duplex({ read() {}, write: (chunk, _encoding, done) => void sent.write(chunk, done) });
  const socket = connect({ socket: wire, ...(servername === undefined ? {} : { servername }) });
  socket.on("error", () => {});
  const [first] = await once(sent, "data");
  socket.destroy();
  return first;
}

describe("readOpening", () => {
  it("reads the name that a TLS client asks for", async () => {
    expect(readOpening(await clientHello("Registry.Example"))).toEqual({ kind: "tls", serverName: "registry.example" });
    expect(readOpening(await clientHello(undefined))).toEqual({ kind: "tls", serverName: undefined });
  });

  it("waits for the rest, wherever the bytes are cut", async () => {
    const hello = await clientHello("example.com");
    for (let length = 0; length < hello.length; length++) {
      expect(readOpening(hello.subarray(0, length))).toEqual({ kind: "incomplete" });
    }
  });

  it("reads a name that is spread over many records", async () => {
    const hello = await clientHello("example.com");
    const message = hello.subarray(5);
    const records = [...message].flatMap((byte) => [22, 3, 1, 0, 1, byte]);
    expect(readOpening(Buffer.from(records))).toEqual({ kind: "tls", serverName: "example.com" });
  });

  it("takes other protocols for what they are", () => {
    expect(readOpening(Buffer.from("SSH-2.0-x\r\n"))).toEqual({ kind: "not tls" });
    expect(readOpening(Buffer.from("GET / HTTP/1.1\r\n"))).toEqual({ kind: "not tls" });
  });

  it("calls a hello malformed that never ends, has empty records, or another message first", () => {
    expect(readOpening(Buffer.alloc(40_000, Buffer.from([22, 3, 1, 0, 1, 1])))).toEqual({ kind: "malformed" });
    expect(readOpening(Buffer.from([22, 3, 1, 0, 0]))).toEqual({ kind: "malformed" });
    expect(readOpening(Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0]))).toEqual({ kind: "malformed" });
    expect(readOpening(Buffer.from([22, 3, 1, 0, 4, 1, 255, 255, 255]))).toEqual({ kind: "malformed" });
  });

  it("never throws, whatever is changed or made up", async () => {
    const hello = await clientHello("example.com");
    fc.assert(
      fc.property(fc.nat(hello.length - 1), fc.nat(255), (at, byte) => {
        const changed = Buffer.from(hello);
        changed[at] = byte;
        expect(readOpening(changed).kind).toMatch(/^(tls|not tls|incomplete|malformed)$/);
      }),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(readOpening(Buffer.from([22, ...bytes])).kind).not.toBe("not tls");
      }),
    );
  });
});
