import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { zipOf } from "../lib/zip.fixture.ts";
import type { ZipEntry } from "../lib/zip.fixture.ts";
import { createBlobStore } from "./blob-store.ts";
import type { BlobStore, SealedBlob } from "./blob-store.ts";
import { findSecret } from "./find-secret.ts";
import type { Search } from "./find-secret.ts";
import type { SecretScan } from "./services.ts";

const SECRET = "hearth_0123456789abcdef";
const MIB = 1 << 20;
let directory: string;
let blobs: BlobStore;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hearth-find-secret-"));
  blobs = createBlobStore({ directory, now: Date.now });
});
afterEach(async () => {
  await blobs[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

/** Slow and plain: keeps all it was given. */
function startScan(): SecretScan {
  let given = Buffer.alloc(0);
  return (piece) => {
    given = Buffer.concat([given.subarray(-SECRET.length), piece]);
    return given.includes(SECRET);
  };
}

/** In blocks that end at `cuts`. */
async function sealed(bytes: Buffer, cuts: readonly number[] = []): Promise<SealedBlob> {
  const blob = { container: "artifacts", name: randomUUID() } as const;
  const ends = [...new Set([...cuts.map((cut) => cut % bytes.length), bytes.length])].toSorted((a, b) => a - b);
  let from = 0;
  const ids = [];
  for (const end of ends.filter((place) => place > 0)) {
    const part = bytes.subarray(from, end);
    async function* stream() {
      yield part;
    }
    await blobs.writeBlock(blob, String(end), { stream: stream(), sizeBytes: part.length });
    ids.push(String(end));
    from = end;
  }
  blobs.commit(blob, ids, undefined);
  await blobs.seal(blob);
  const opened = await blobs.open(blob);
  if (opened === undefined) throw new Error("a blob that was sealed can be opened");
  return opened;
}

async function search(bytes: Buffer, cuts?: readonly number[]): Promise<Search> {
  return findSecret(await sealed(bytes, cuts), startScan);
}

function openFiles(): number {
  return readdirSync("/proc/self/fd").length;
}

const noise = randomBytes(MIB);
const config = `[http "https://github.com/"]\n\textraheader = AUTHORIZATION: ${SECRET}\n`;

describe("findSecret", () => {
  it.each<[string, ZipEntry]>([
    ["deflated", { name: ".git/config", content: config }],
    ["stored", { name: ".git/config", content: config, stored: true }],
    ["long, deflated", { name: ".git/config", content: Buffer.concat([noise, Buffer.from(config), noise]) }],
    ["with sizes in the extra field", { name: ".git/config", content: config, zip64: true }],
    ["a link", { name: ".git/config", content: config, mode: 0o120777 }],
  ])("names the entry of a zip that holds it: %s", async (_, entry) => {
    const others = [{ name: "dir/" }, { name: "a", content: noise }, { name: "empty" }];
    const found = { kind: "found", path: ".git/config" };
    expect(await search(zipOf([...others, entry, { name: "z", content: noise }]))).toEqual(found);
    expect(await search(zipOf([...others, { ...entry, content: "other" }]))).toEqual({ kind: "clean" });
  });

  it("finds it wherever blocks and chunks end, in an entry and in plain bytes", async () => {
    const place = fc.nat(3 * 300_000);
    await fc.assert(
      fc.asyncProperty(place, fc.array(place, { maxLength: 4 }), fc.boolean(), async (at, cuts, isStored) => {
        const before = noise.subarray(0, at % (700_000 - SECRET.length));
        const content = Buffer.concat([before, Buffer.from(SECRET), noise.subarray(0, 100_000)]);
        // Also where a piece that is read may end: in the middle of the secret.
        const near = before.length + 10;
        expect(await search(content, [...cuts, near])).toEqual({ kind: "found", path: undefined });
        const zip = zipOf([{ name: "e", content, stored: isStored }]);
        expect(await search(zip, [...cuts, near + 31])).toEqual({ kind: "found", path: "e" });
      }),
      { numRuns: 30 },
    );
  });

  it("does not say the name of an entry whose name is the secret", async () => {
    expect(await search(zipOf([{ name: `out/${SECRET}.txt`, content: "x" }]))).toEqual({
      kind: "found",
      path: undefined,
    });
  });

  it.each([
    ["gzip", gzipSync],
    ["zstd", zstdCompressSync],
  ] as const)("looks into what is %s as a whole, members behind one another too", async (_, compress) => {
    const [first, second] = [compress(noise), compress(Buffer.concat([noise, Buffer.from(config)]))];
    const found = { kind: "found", path: undefined };
    expect(await search(second)).toEqual(found);
    expect(await search(Buffer.concat([first, second]))).toEqual(found);
    expect(await search(first)).toEqual({ kind: "clean" });
    // Cut off, and a secret behind what is no archive.
    expect(await search(second.subarray(0, -5))).toMatchObject({ kind: expect.stringMatching(/clean|found/) });
    expect(await search(Buffer.concat([first.subarray(0, 10), Buffer.from(config)]))).toEqual(found);
  });

  it("searches as it is what only begins as an archive, or has entries that cannot be read", async () => {
    const found = { kind: "found", path: undefined };
    const broken = zipOf([{ name: "a", content: config, stored: true }]).subarray(0, -3);
    expect(await search(broken)).toEqual(found);
    const entries: ZipEntry[] = [
      { name: "encrypted", content: config, stored: true, flags: 1 },
      { name: "unknown", content: config, stored: true, method: 93 },
      { name: "damaged", content: config, stored: true, claims: { crc32: 1, bytes: 1 } },
    ];
    for (const entry of entries) {
      const { kind } = await search(zipOf([entry, { name: "b", content: "x" }]));
      expect({ entry: entry.name, kind }).toEqual({ entry: entry.name, kind: "found" });
    }
    // Those behind it are looked into all the same.
    const behind = zipOf([
      { name: "damaged", content: "1", claims: { crc32: 1 } },
      { name: "b", content: config },
    ]);
    expect(await search(behind)).toEqual({ kind: "found", path: "b" });
  });

  it("looks at nothing of what would become far larger than it is", async () => {
    const zeros = Buffer.alloc(300 * MIB);
    const tooLarge = { kind: "too large" };
    expect(await search(zipOf([{ name: "a", content: zeros }]))).toMatchObject(tooLarge);
    expect(await search(zipOf([{ name: "a" }], 1_000_000))).toMatchObject(tooLarge);
    expect(await search(gzipSync(zeros))).toMatchObject(tooLarge);
    expect(await search(zstdCompressSync(zeros))).toMatchObject(tooLarge);
    // One that says it is none is cut off where it said.
    const lying = zipOf([
      { name: "a", content: zeros, claims: { bytes: 10 } },
      { name: "b", content: config },
    ]);
    expect(await search(lying)).toEqual({ kind: "found", path: "b" });
  });

  it("ends for whatever bytes, and leaves no file open", async () => {
    const whole = zipOf([
      { name: "dir/a.txt", content: "hello hello hello" },
      { name: "b", content: noise, zip64: true },
    ]);
    const before = openFiles();
    await fc.assert(
      fc.asyncProperty(fc.nat(300), fc.boolean(), fc.nat(255), async (at, fromEnd, byte) => {
        const changed = Buffer.from(whole);
        changed[fromEnd ? whole.length - 1 - at : at] = byte;
        expect((await search(changed)).kind).toMatch(/^(?:clean|too large)$/);
      }),
      { numRuns: 200 },
    );
    await expect.poll(openFiles).toBeLessThanOrEqual(before + 2);
  });
});
