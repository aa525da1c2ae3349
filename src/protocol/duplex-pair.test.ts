import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { duplexPair } from "./duplex-pair.ts";

it("brings what is written to one end to the other, in order, in both directions", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ minLength: 1 })),
      fc.array(fc.uint8Array({ minLength: 1 })),
      async (there, back) => {
        const [left, right] = duplexPair();
        for (const bytes of there) left.write(bytes);
        for (const bytes of back) right.write(bytes);
        left.end();
        right.end();
        const [atRight, atLeft] = await Promise.all([buffer(right), buffer(left)]);
        expect(atRight.equals(Buffer.concat(there))).toBe(true);
        expect(atLeft.equals(Buffer.concat(back))).toBe(true);
      },
    ),
    { numRuns: 50 },
  );
});

it("holds a writer back until the other end is read", async () => {
  const [left, right] = duplexPair();
  const piece = Buffer.alloc(1 << 20);
  let accepted = 0;
  for (let n = 0; n < 8; n++) left.write(piece, () => (accepted += 1));
  await new Promise((resolve) => setImmediate(resolve));
  expect(accepted).toBeLessThan(2);
  expect(left.writableNeedDrain).toBe(true);
  left.end();
  expect((await buffer(right)).length).toBe(8 << 20);
  expect(accepted).toBe(8);
});

it("keeps the other direction open when one has ended", async () => {
  const [left, right] = duplexPair();
  left.end("question");
  expect((await buffer(right)).toString()).toBe("question");
  right.end("answer");
  expect((await buffer(left)).toString()).toBe("answer");
});

it("closes the other end when one is destroyed, and fails what is written to it", async () => {
  const [left, right] = duplexPair();
  left.destroy();
  await once(right, "close");
  const [third, fourth] = duplexPair();
  fourth.destroy();
  third.on("error", () => undefined);
  const outcome = await new Promise((resolve) => third.write("too late", resolve));
  expect(outcome).toBeInstanceOf(Error);
});
