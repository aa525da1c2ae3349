import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { number, object, parse, string } from "zod/mini";
import type { infer as Infer } from "zod/mini";
import { duplexPair } from "../../protocol/duplex-pair.ts";
import { QmpClient } from "./qmp.ts";

const Command = object({ execute: string(), id: number() });
type Command = Infer<typeof Command>;

/** A QEMU that greets, announces an event before each answer, and answers as told. */
function fakeQemu(stream: Duplex, answer: (command: Command) => object): void {
  const send = (message: object) => stream.write(`${JSON.stringify(message)}\r\n`);
  send({ QMP: { version: {}, capabilities: [] } });
  createInterface({ input: stream }).on("line", (line) => {
    const command = parse(Command, JSON.parse(line));
    send({ event: "RESUME", timestamp: { seconds: 1, microseconds: 2 } });
    send({ id: command.id, ...answer(command) });
  });
}

describe("QmpClient", () => {
  it("negotiates first and gives each command its own answer, greeting and events passed over", async () => {
    const [ours, theirs] = duplexPair();
    const commands: string[] = [];
    fakeQemu(theirs, ({ execute }) => {
      commands.push(execute);
      return { return: { did: execute } };
    });
    const client = new QmpClient(ours);
    expect(await Promise.all([client.execute("query-status"), client.execute("stop")])).toEqual([
      { did: "query-status" },
      { did: "stop" },
    ]);
    expect(commands).toEqual(["qmp_capabilities", "query-status", "stop"]);
  });

  it("rejects with QEMU's own words", async () => {
    const [ours, theirs] = duplexPair();
    fakeQemu(theirs, () => ({ error: { class: "GenericError", desc: "not now" } }));
    await expect(new QmpClient(ours).execute("stop")).rejects.toThrow("not now");
  });

  it("rejects what is under way when the stream ends, and everything after", async () => {
    const [ours, theirs] = duplexPair();
    const client = new QmpClient(ours);
    const waiting = client.execute("stop");
    theirs.destroy();
    ours.destroy();
    await expect(waiting).rejects.toThrow("closed its control stream");
    await expect(client.execute("quit")).rejects.toThrow("is closed");
  });

  it.each([
    ["a line that is no JSON", "hello\n"],
    ["a line that is no object", "[1]\n"],
    ["a line without end", "x".repeat((1 << 20) + 1)],
  ])("gives up on %s", async (_what, bytes) => {
    const [ours, theirs] = duplexPair();
    const client = new QmpClient(ours);
    const waiting = client.execute("stop");
    theirs.write(bytes);
    await expect(waiting).rejects.toThrow("QEMU sent");
  });
});
