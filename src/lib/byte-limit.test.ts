import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteLimit } from "./byte-limit.ts";

describe("ByteLimit", () => {
  it("lets as much through as it allows, in whatever pieces it comes, and breaks at one byte more", async () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(pieces, fc.nat(100), async (chunks, bytes) => {
        const sent = Buffer.concat(chunks);
        const limit = new ByteLimit(bytes);
        const given = Readable.from(chunks.map((chunk) => Buffer.from(chunk))).pipe(limit);
        const received = await buffer(given).catch((error: unknown) => String(error));
        const isTooMuch = sent.length > bytes;
        expect(received).toEqual(isTooMuch ? `Error: it is larger than ${bytes} bytes` : sent);
        expect(limit.isExceeded).toBe(isTooMuch);
      }),
    );
  });
});
