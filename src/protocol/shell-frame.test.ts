import { array, assert, asyncProperty, integer, oneof, record, uint8Array } from "fast-check";
import { describe, expect, it } from "vitest";
import type { ShellRequest } from "./agent-api.ts";
import { MAX_SHELL_INPUT_BYTES } from "./limits.ts";
import { decodeShellFrames, encodeInput, encodeOpening, encodeSize } from "./shell-frame.ts";
import type { ShellFrame } from "./shell-frame.ts";

const request: ShellRequest = {
  argv: ["bash"],
  env: {},
  cwd: "/",
  user: "runner",
  size: { columns: 80, rows: 24 },
};
const opening = encodeOpening(request);

async function decode(pieces: readonly Buffer[]): Promise<ShellFrame[]> {
  const frames: ShellFrame[] = [];
  const source = async function* (): AsyncGenerator<Buffer> {
    yield* pieces;
  };
  for await (const frame of decodeShellFrames(source())) frames.push(frame);
  return frames;
}

function frame(kind: number, length: number, payload = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt8(kind, 0);
  header.writeUInt32BE(length, 1);
  return Buffer.concat([header, payload]);
}

describe("what the host sends to a shell", () => {
  it("is read as it was sent, however it is cut", async () => {
    const size = record({ columns: integer({ min: 1, max: 65_535 }), rows: integer({ min: 1, max: 65_535 }) });
    const input = oneof(uint8Array({ minLength: 1, maxLength: 200_000 }), size);
    await assert(
      asyncProperty(array(input, { maxLength: 5 }), integer({ min: 1, max: 100_000 }), async (inputs, cut) => {
        const bytes = Buffer.concat([
          opening,
          ...inputs.flatMap((one) => ("rows" in one ? [encodeSize(one)] : encodeInput(one))),
        ]);
        const pieces: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += cut) pieces.push(bytes.subarray(at, at + cut));
        const [first, ...rest] = await decode(pieces);
        expect(first).toEqual({ kind: "opening", json: JSON.stringify(request) });
        const joined = rest.map((one) => (one.kind === "input" ? one.bytes.toString("hex") : JSON.stringify(one)));
        const sent = inputs.map((one) =>
          "rows" in one ? JSON.stringify({ kind: "size", size: one }) : Buffer.from(one).toString("hex"),
        );
        expect(joined.join("")).toBe(sent.join(""));
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    ["input before the opening", [frame(2, 1, Buffer.from("x"))]],
    ["two openings", [opening, opening]],
    ["a frame of no kind", [opening, frame(9, 1)]],
    ["a name that every object has", [opening, frame(0, 1)]],
    ["empty input", [opening, frame(2, 0)]],
    ["more input than a frame holds", [opening, frame(2, MAX_SHELL_INPUT_BYTES + 1)]],
    ["an opening without a bound", [frame(1, 0xffffffff)]],
    ["a size of the wrong length", [opening, frame(3, 3, Buffer.alloc(3))]],
    ["a terminal without columns", [opening, frame(3, 4, Buffer.from([0, 0, 0, 1]))]],
    ["an end within a frame", [opening, frame(2, 10, Buffer.from("x"))]],
    ["an end within a header", [opening, Buffer.from([2, 0])]],
  ])("is refused when it has %s", async (_what, pieces) => {
    await expect(decode(pieces)).rejects.toThrow(/frame|terminal/);
  });
});
