import { assert, property, uint8Array } from "fast-check";
import { describe, expect, it } from "vitest";
import { ConsoleTail } from "./console-tail.ts";

describe("ConsoleTail", () => {
  it("keeps 4 KiB of what came last, however much the guest prints", () => {
    const tail = new ConsoleTail();
    for (let index = 0; index < 2000; index++) tail.write(Buffer.from(`line ${index}\r\n`.repeat(100)));
    expect(tail.text().length).toBeLessThanOrEqual(4096);
    expect(tail.text().endsWith("line 1999")).toBe(true);
  });

  it("gives out nothing that a terminal would obey", () => {
    assert(
      property(uint8Array(), (bytes) => {
        const tail = new ConsoleTail();
        tail.write(Buffer.from(bytes));
        expect(tail.text()).toMatch(/^[\n\t\x20-\x7e]*$/);
      }),
    );
  });

  it("finds a phrase that comes in pieces", async () => {
    const tail = new ConsoleTail();
    const said = tail.said(/panic: ([^\n]*)\n/);
    for (const byte of "noise\nKernel panic: out of luck\n") tail.write(Buffer.from(byte));
    expect(await said).toBe("out of luck");
  });

  it("finds a phrase that is there already", async () => {
    const tail = new ConsoleTail();
    tail.write(Buffer.from("ready\n"));
    expect(await tail.said(/ready/)).toBe("ready");
  });
});
