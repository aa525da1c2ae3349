import { randomBytes, randomUUID } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DamagedBlob, createBlobStore } from "./blob-store.ts";
import type { BlobBody, BlobId, BlobLimits, BlobStore } from "./blob-store.ts";

let directory: string;
let store: BlobStore;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hearth-blobs-"));
  store = open();
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

function open(limits: Partial<BlobLimits> = {}): BlobStore {
  return createBlobStore({ directory, now: Date.now, limits: { freeBytes: 0, ...limits } });
}

function aBlob(): BlobId {
  return { container: "caches", name: randomUUID() };
}

function body(content: Buffer | string, declared = Buffer.byteLength(content)): BlobBody {
  return {
    sizeBytes: declared,
    stream: (async function* () {
      yield Buffer.from(content);
    })(),
  };
}

/** Comes in two pieces; the second when it is let go. */
function slowBody(): { body: BlobBody; finish: () => void; breakOff: () => void; begun: Promise<void> } {
  const rest = Promise.withResolvers<Buffer>();
  const begun = Promise.withResolvers<void>();
  const stream = (async function* () {
    yield Buffer.from("ab");
    begun.resolve();
    yield await rest.promise;
  })();
  return {
    body: { sizeBytes: 4, stream },
    finish: () => rest.resolve(Buffer.from("cd")),
    breakOff: () => rest.reject(new Error("ECONNRESET")),
    begun: begun.promise,
  };
}

async function contentOf(blob: BlobId, from = 0, to?: number): Promise<string> {
  const sealed = await store.open(blob);
  if (sealed === undefined) throw new Error("not sealed");
  const chunks: Buffer[] = [];
  for await (const chunk of sealed.read(from, to ?? sealed.sizeBytes)) chunks.push(chunk);
  return Buffer.concat(chunks).toString("latin1");
}

async function sealedBlob(...blocks: readonly string[]): Promise<BlobId> {
  const blob = aBlob();
  for (const [index, block] of blocks.entries()) await store.writeBlock(blob, String(index), body(block));
  store.commit(blob, [...blocks.keys()].map(String), "text/plain");
  await store.seal(blob);
  return blob;
}

function uploads(): readonly string[] {
  return readdirSync(join(directory, "uploads"));
}

describe("an upload", () => {
  it("takes its order from the list alone, and the last of a block that came twice", async () => {
    const blob = aBlob();
    await Promise.all(
      ["c:third", "a:first", "b:2nd"].map(async (block) => {
        const [id = "", content = ""] = block.split(":");
        expect(await store.writeBlock(blob, id, body(content))).toEqual({ kind: "written" });
      }),
    );
    await store.writeBlock(blob, "b", body("second"));
    expect(store.commit(blob, ["a", "b", "c", "a"], "text/plain")).toEqual({ kind: "committed" });
    expect(store.committedBytes(blob)).toBe("firstsecondthirdfirst".length);
    expect(await store.seal(blob)).toBe(true);
    expect(await contentOf(blob)).toBe("firstsecondthirdfirst");
    expect(await store.open(blob)).toMatchObject({ sizeBytes: 21, contentType: "text/plain" });
  });

  it("may come in one piece, and be committed again until it is sealed", async () => {
    const blob = aBlob();
    await store.writeWhole(blob, body("one"), undefined);
    await store.writeBlock(blob, "x", body("two"));
    store.commit(blob, ["x"], undefined);
    await store.writeBlock(blob, "x", body("not listed after all"));
    await store.seal(blob);
    expect(await contentOf(blob)).toBe("two");
    expect(readdirSync(join(directory, "caches", blob.name)).toSorted()).toEqual(["1", "manifest.json"]);
  });

  it("may be empty", async () => {
    const blob = aBlob();
    await store.writeWhole(blob, body(""), undefined);
    expect(await store.seal(blob)).toBe(true);
    expect(await contentOf(blob)).toBe("");
  });

  it("cannot be read, and is not listed, before it is sealed", async () => {
    const blob = aBlob();
    await store.writeWhole(blob, body("x"), undefined);
    expect(await store.open(blob)).toBeUndefined();
    expect(await store.list("caches")).toEqual([]);
    await store.seal(blob);
    expect(await store.list("caches")).toMatchObject([{ name: blob.name }]);
  });

  it("changes nothing any more when it is sealed", async () => {
    const blob = await sealedBlob("x");
    const other = open();
    for (const writer of [store, other]) {
      expect(await writer.writeBlock(blob, "y", body("y"))).toEqual({ kind: "refused", why: "sealed" });
      expect(await writer.writeWhole(blob, body("y"), undefined)).toEqual({ kind: "refused", why: "sealed" });
      expect(writer.commit(blob, ["y"], undefined)).toEqual({ kind: "refused", why: "unknown block" });
      expect(await writer.seal(blob)).toBe(false);
    }
    await other[Symbol.asyncDispose]();
    expect(await contentOf(blob)).toBe("x");
  });

  it("is sealed only when it was committed", async () => {
    const blob = aBlob();
    await store.writeBlock(blob, "x", body("x"));
    expect(await store.seal(blob)).toBe(false);
    expect(await store.seal(aBlob())).toBe(false);
    expect(store.commit(blob, ["x", "y"], undefined)).toEqual({ kind: "refused", why: "unknown block" });
  });

  it("leaves out a body that breaks off, or is not as long as it said", async () => {
    const blob = aBlob();
    const slow = slowBody();
    const writing = store.writeBlock(blob, "x", slow.body);
    await slow.begun;
    slow.breakOff();
    expect(await writing).toEqual({ kind: "refused", why: "broken" });
    for (const declared of [1, 3]) {
      expect(await store.writeBlock(blob, "x", body("ab", declared))).toEqual({ kind: "refused", why: "broken" });
    }
    expect(store.commit(blob, ["x"], undefined)).toEqual({ kind: "refused", why: "unknown block" });
    expect(readdirSync(join(directory, "uploads", blob.name))).toEqual([]);
  });

  it("is sealed without what was still coming, which ends at once", async () => {
    const blob = aBlob();
    await store.writeWhole(blob, body("x"), undefined);
    const slow = slowBody();
    const writing = store.writeBlock(blob, "y", slow.body);
    await slow.begun;
    const sealing = store.seal(blob);
    slow.finish();
    expect(await sealing).toBe(true);
    expect(await writing).toEqual({ kind: "refused", why: "sealed" });
    expect(readdirSync(join(directory, "caches", blob.name)).toSorted()).toEqual(["0", "manifest.json"]);
  });

  it("goes when it is removed, when its store is disposed, and when its process was killed a day ago", async () => {
    const [removed, left] = [aBlob(), aBlob()];
    await store.writeWhole(removed, body("x"), undefined);
    await store.writeWhole(left, body("x"), undefined);
    await store.remove(removed);
    expect(uploads()).toEqual([left.name]);
    await store[Symbol.asyncDispose]();
    expect(uploads()).toEqual([]);

    const [old, recent] = [aBlob(), aBlob()];
    for (const { name } of [old, recent]) mkdirSync(join(directory, "uploads", name));
    const yesterday = (Date.now() - 25 * 3600_000) / 1000;
    utimesSync(join(directory, "uploads", old.name), yesterday, yesterday);
    store = open();
    await store.writeWhole(aBlob(), body("x"), undefined);
    expect(uploads()).toContain(recent.name);
    expect(uploads()).not.toContain(old.name);
  });
});

describe("limits", () => {
  it("hold for one blob, its repetitions in the list counted", async () => {
    store = open({ blobBytes: 10 });
    const blob = aBlob();
    expect(await store.writeBlock(blob, "x", body("123456"))).toEqual({ kind: "written" });
    expect(await store.writeBlock(blob, "y", body("12345"))).toEqual({ kind: "refused", why: "too large" });
    expect(store.commit(blob, ["x", "x"], undefined)).toEqual({ kind: "refused", why: "too large" });
  });

  it("count a block that is replaced once", async () => {
    store = open({ blobBytes: 10 });
    const blob = aBlob();
    for (let time = 0; time < 4; time += 1) {
      await store.writeBlock(blob, "x", body("1234"));
    }
    expect(await store.writeBlock(blob, "y", body("123456"))).toEqual({ kind: "written" });
  });

  it("reserve what is coming before it has come", async () => {
    store = open({ pendingBytes: 6 });
    const slow = slowBody();
    const writing = store.writeBlock(aBlob(), "x", slow.body);
    await slow.begun;
    expect(await store.writeBlock(aBlob(), "x", body("123"))).toEqual({ kind: "refused", why: "no space" });
    slow.finish();
    await writing;
  });

  it("hold for bodies that come at once", async () => {
    store = open({ pendingBytes: 10 });
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => store.writeBlock(aBlob(), "x", body("1234"))));
    expect(outcomes.filter(({ kind }) => kind === "written")).toHaveLength(2);
  });

  it("hold for the number of blocks and of blobs", async () => {
    store = open({ blocksPerBlob: 2, pendingBlobs: 2, pendingBlocks: 3 });
    const [a, b, c] = [aBlob(), aBlob(), aBlob()];
    const put = (blob: BlobId, id: string) => store.writeBlock(blob, id, body("x"));
    expect(await put(a, "1")).toEqual({ kind: "written" });
    expect(await put(a, "1")).toEqual({ kind: "written" });
    expect(await put(a, "2")).toEqual({ kind: "refused", why: "too many blocks" });
    expect(await put(b, "1")).toEqual({ kind: "written" });
    expect(await put(b, "2")).toEqual({ kind: "refused", why: "too many blocks" });
    expect(await put(c, "1")).toEqual({ kind: "refused", why: "too many blocks" });
  });

  it("leave room on the disk", async () => {
    store = open({ freeBytes: Number.MAX_SAFE_INTEGER });
    expect(await store.writeWhole(aBlob(), body("x"), undefined)).toEqual({ kind: "refused", why: "no space" });
  });
});

describe("a sealed blob", () => {
  it("can be read from anywhere to anywhere, across blocks", async () => {
    const blob = await sealedBlob("abc", "", "defgh", "i");
    const whole = "abcdefghi";
    await fc.assert(
      fc.asyncProperty(fc.nat(9), fc.nat(9), async (a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        expect(await contentOf(blob, from, to)).toBe(whole.slice(from, to));
      }),
      { numRuns: 60 },
    );
  });

  it("is the same to another process", async () => {
    const blob = await sealedBlob("abc");
    store = open();
    expect(await contentOf(blob)).toBe("abc");
  });

  it("breaks off before its end when a block was changed on the disk", async () => {
    const content = randomBytes(3 << 20).toString("latin1");
    const blob = await sealedBlob("abc", content);
    const path = join(directory, "caches", blob.name, "1");
    const changed = readFileSync(path);
    changed[0] = (changed[0] ?? 0) ^ 1;
    writeFileSync(path, changed);
    const sealed = await store.open(blob);
    let seen = 0;
    const reading = async (): Promise<void> => {
      for await (const chunk of sealed?.read(0, sealed.sizeBytes) ?? []) seen += chunk.length;
    };
    await expect(reading()).rejects.toBeInstanceOf(DamagedBlob);
    expect(seen).toBeLessThan(sealed?.sizeBytes ?? 0);
  });

  it("breaks off when a block is cut short, gone, or a link to something else", async () => {
    const secret = join(directory, "secret");
    writeFileSync(secret, "abc");
    for (const spoil of [
      (path: string) => writeFileSync(path, "ab"),
      (path: string) => rmSync(path),
      (path: string) => (rmSync(path), symlinkSync(secret, path)),
    ]) {
      const blob = await sealedBlob("abc");
      spoil(join(directory, "caches", blob.name, "0"));
      await expect(contentOf(blob)).rejects.toBeInstanceOf(DamagedBlob);
    }
  });

  it("is not there when its manifest was cut off", async () => {
    const blob = await sealedBlob("abc");
    const path = join(directory, "caches", blob.name, "manifest.json");
    writeFileSync(path, readFileSync(path, "utf8").slice(0, 20));
    expect(await store.open(blob)).toBeUndefined();
    writeFileSync(path, "");
    expect(await store.open(blob)).toBeUndefined();
  });

  it("goes when it is removed, also twice", async () => {
    const blob = await sealedBlob("abc");
    await store.remove(blob);
    await store.remove(blob);
    expect(await store.open(blob)).toBeUndefined();
    expect(readdirSync(join(directory, "caches"))).toEqual([]);
  });
});

describe("names", () => {
  it.each(["", ".", "..", "../x", "a/b", "a\0b", `${randomUUID()}/x`, "A".repeat(36), `..${"a".repeat(34)}`])(
    "that are no UUID become no path: %j",
    async (name) => {
      const blob: BlobId = { container: "caches", name };
      await expect(store.writeBlock(blob, "x", body("x"))).rejects.toThrow("UUID");
      await expect((async () => store.open(blob))()).rejects.toThrow("UUID");
      await expect(store.remove(blob)).rejects.toThrow("UUID");
      expect(readdirSync(directory, { recursive: true })).toEqual(["uploads"]);
    },
  );

  it("of blocks are data", async () => {
    const blob = aBlob();
    for (const id of ["../../../x", "\0", "a".repeat(10_000), "__proto__"]) {
      expect(await store.writeBlock(blob, id, body(id.slice(0, 1)))).toEqual({ kind: "written" });
    }
    expect(readdirSync(join(directory, "uploads", blob.name)).toSorted()).toEqual(["0", "1", "2", "3"]);
  });
});

it("keeps what it writes from other users of the host", async () => {
  const blob = await sealedBlob("abc");
  expect(statSync(join(directory, "caches")).mode & 0o777).toBe(0o700);
  expect(statSync(join(directory, "caches", blob.name, "0")).mode & 0o777).toBe(0o600);
});
