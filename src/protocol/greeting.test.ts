import { once } from "node:events";
import { createServer, connect } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { duplexPair } from "./duplex-pair.ts";
import { answerGreeting, greetGuest, helloScanner, isHello } from "./greeting.ts";

const patience = { deadlineMs: 5_000 };

it("lets both ends go on with what comes after the greeting", async () => {
  const [host, guest] = duplexPair();
  await Promise.all([greetGuest(host, patience), answerGreeting(guest, patience)]);
  host.end("PRI * HTTP/2.0");
  guest.resume();
  const [bytes] = await once(guest, "data");
  expect(String(bytes)).toBe("PRI * HTTP/2.0");
});

it("leaves in the stream what came in the same piece as the line", async () => {
  const [host, guest] = duplexPair();
  const answered = answerGreeting(guest, patience);
  host.write("HELLO 0123456789abcdef\nPRI * HTTP/2.0");
  await answered;
  guest.resume();
  const [bytes] = await once(guest, "data");
  expect(String(bytes)).toBe("PRI * HTTP/2.0");
});

it("finds the line among any other bytes, however they are cut", () => {
  const noise = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(noise, noise, fc.infiniteStream(fc.integer({ min: 1, max: 50 })), (before, after, sizes) => {
      const garbage = Buffer.from(before).toString("latin1").replaceAll("HELLO", "hello");
      const bytes = Buffer.concat([Buffer.from(garbage, "latin1"), Buffer.from("HELLO 0123456789abcdef\n"), after]);
      const scanner = helloScanner();
      for (let at = 0; at < bytes.length;) {
        const size = sizes.next().value ?? 1;
        const piece = bytes.subarray(at, at + size);
        at += piece.length;
        const found = scanner.push(piece);
        if (found === undefined) continue;
        expect(found.nonce).toBe("0123456789abcdef");
        expect(Buffer.concat([found.rest, bytes.subarray(at)]).equals(Buffer.from(after))).toBe(true);
        return;
      }
      expect.unreachable("the line was not found");
    }),
  );
});

it("resynchronises over what an older session left in the channel", async () => {
  const [host, guest] = duplexPair();
  guest.write(Buffer.alloc(200_000, "OK 00000000\n"));
  const greeted = greetGuest(host, patience);
  await answerGreeting(guest, patience);
  await expect(greeted).resolves.toBeUndefined();
});

it("gives up on a guest that does not answer in time", async () => {
  const [host] = duplexPair();
  await expect(greetGuest(host, { deadlineMs: 20 })).rejects.toMatchObject({ code: "GUEST_PROTOCOL" });
});

it("gives up on a guest that floods the host instead of answering, without keeping the flood", async () => {
  const [host, guest] = duplexPair();
  const flood = Buffer.alloc(1 << 20, "x");
  const more = (): void => {
    while (!guest.destroyed && guest.write(flood));
  };
  guest.on("drain", more).on("error", () => undefined);
  more();
  await expect(greetGuest(host, { deadlineMs: 20_000 })).rejects.toMatchObject({ code: "GUEST_PROTOCOL" });
  host.destroy();
});

it("says that the machine is lost when the stream ends before the greeting", async () => {
  const [host, guest] = duplexPair();
  const greeted = greetGuest(host, patience);
  guest.destroy();
  await expect(greeted).rejects.toMatchObject({ code: "MACHINE_LOST" });
});

it("works over a unix socket", async () => {
  const directory = mkdtempSync(join(tmpdir(), "hearth-greeting-"));
  const server = createServer().listen(join(directory, "s"));
  await once(server, "listening");
  const guest = connect(join(directory, "s"));
  const [host] = await once(server, "connection");
  const both = Promise.all([greetGuest(host, patience), answerGreeting(guest, patience)]);
  await expect(both).resolves.toHaveLength(2);
  guest.destroy();
  host.destroy();
  server.close();
  rmSync(directory, { recursive: true });
});

it("takes only a line by itself for a new host in the middle of a session", () => {
  expect(isHello(Buffer.from("HELLO 0123456789abcdef\n"))).toBe(true);
  expect(isHello(Buffer.from("xHELLO 0123456789abcdef\n"))).toBe(false);
  expect(isHello(Buffer.from("HELLO 0123456789abcdef\nx"))).toBe(false);
  expect(isHello(Buffer.from("HELLO world\n"))).toBe(false);
});
