import { once } from "node:events";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { duplexPair } from "../../protocol/duplex-pair.ts";
import { answerGreeting, helloScanner } from "../../protocol/greeting.ts";
import { GuestPort } from "./guest-port.ts";

const deadlineMs = 20_000;
const open: Duplex[] = [];
afterEach(() => {
  for (const end of open.splice(0)) end.destroy();
});

function portAndGuest(): { port: GuestPort; guest: Duplex; socket: Duplex } {
  const [socket, guest] = duplexPair();
  open.push(socket, guest);
  return { port: new GuestPort(socket), guest, socket };
}

async function greeted(port: GuestPort, guest: Duplex): Promise<Duplex> {
  const [session] = await Promise.all([
    port.greet({ deadlineMs, again: false }),
    answerGreeting(guest, { deadlineMs }),
  ]);
  guest.resume();
  return session;
}

describe("a port to the guest", () => {
  it("carries bytes both ways in a session, and begins with those that came with the answer", async () => {
    const { port, guest } = portAndGuest();
    const greeting = port.greet({ deadlineMs, again: false });
    const [hello] = await once(guest, "data");
    const nonce = helloScanner().push(hello)?.nonce;
    guest.write(`left over from before OK ${nonce}\nand at once`);
    const session = await greeting;
    expect(String((await once(session, "data"))[0])).toBe("and at once");
    session.write("to the guest");
    expect(String((await once(guest, "data"))[0])).toBe("to the guest");
  });

  it("ends a session without ending the port, and the next one sees nothing of it", async () => {
    const { port, guest, socket } = portAndGuest();
    const first = await greeted(port, guest);
    const closed = once(first, "close");
    port.endSession();
    await closed;
    guest.write("for the first");
    const second = await greeted(port, guest);
    guest.write("for the second");
    expect(String((await once(second, "data"))[0])).toBe("for the second");
    expect(socket.destroyed).toBe(false);
  });

  it("throws away what comes while there is no session, however much it is", async () => {
    const { port, guest } = portAndGuest();
    (await greeted(port, guest)).destroy();
    const piece = Buffer.alloc(1 << 20);
    // Each is taken, or this would wait for ever.
    for (let sent = 0; sent < 8; sent++) await new Promise((taken) => guest.write(piece, taken));
    expect((await greeted(port, guest)).destroyed).toBe(false);
  });

  it("says hello again when the guest has not seen it, and believes only the last answer", async () => {
    const { port, guest } = portAndGuest();
    const greeting = port.greet({ deadlineMs, again: true });
    const nonces: (string | undefined)[] = [];
    // The guest takes the first for the end of an older session, and answers it when the second has been said.
    while (nonces.length < 2) nonces.push(helloScanner().push((await once(guest, "data"))[0])?.nonce);
    guest.write(`OK ${nonces[0]}\nof a session that has ended again`);
    guest.write(`OK ${nonces[1]}\nof the one that counts`);
    expect(String((await once(await greeting, "data"))[0])).toBe("of the one that counts");
  });

  it("holds the guest back while nobody reads, and loses nothing", async () => {
    const { port, guest } = portAndGuest();
    const session = await greeted(port, guest);
    const content = "0123456789abcdef".repeat(1 << 18);
    for (let at = 0; at < content.length; at += 65_536) guest.write(content.slice(at, at + 65_536));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(session.readableLength).toBeLessThan(1 << 20);
    expect(guest.writableLength).toBeGreaterThan(1 << 20);
    guest.end();
    expect((await text(session)) === content).toBe(true);
  });

  it("closes the session, and refuses another, when the guest's end is gone", async () => {
    const { port, guest } = portAndGuest();
    const session = await greeted(port, guest);
    const closed = once(session, "close");
    guest.destroy();
    await closed;
    await expect(port.greet({ deadlineMs, again: true })).rejects.toMatchObject({ code: "MACHINE_LOST" });
  });

  it("gives up greeting at its deadline, when the port closes, and when it is drowned", async () => {
    const silent = portAndGuest();
    await expect(silent.port.greet({ deadlineMs: 20, again: true })).rejects.toMatchObject({ code: "GUEST_PROTOCOL" });
    const closing = portAndGuest();
    const greeting = closing.port.greet({ deadlineMs, again: true });
    closing.guest.destroy();
    await expect(greeting).rejects.toMatchObject({ code: "MACHINE_LOST" });
    const { port, guest } = portAndGuest();
    const drowned = port.greet({ deadlineMs, again: false }).catch((error: unknown) => error);
    for (let sent = 0; sent < 33; sent++) guest.write(Buffer.alloc(1 << 20));
    expect(await drowned).toMatchObject({ code: "GUEST_PROTOCOL" });
  });
});
