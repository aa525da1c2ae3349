import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findImage, imageDirectory, imagesDirectory, listImages, removeImage, writeManifest } from "./image-store.ts";

let dataDir = "";
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "hearth-test-images-"));
});
afterEach(async () => rm(dataDir, { recursive: true }));

async function put(name: string, digest: string, builtAt: string): Promise<string> {
  const directory = imageDirectory(dataDir, name, digest);
  await mkdir(join(directory, "rootfs"), { recursive: true });
  const facts = { name, digest, labels: ["ubuntu-latest"], hostname: "hearth", sizeBytes: 7 };
  await writeManifest(directory, { ...facts, builtAt: new Date(builtAt) });
  return directory;
}

describe("image store", () => {
  it("is empty where nothing was ever built", async () => {
    expect(await listImages(join(dataDir, "none"))).toEqual([]);
    expect(await findImage(dataDir)).toBeUndefined();
  });

  it("finds the newest of a name, the default's when none is given, or one by its directory's name", async () => {
    const old = await put("hearth", "a".repeat(64), "2026-01-01T00:00:00.000Z");
    const fresh = await put("hearth", "b".repeat(64), "2026-01-03T00:00:00.000Z");
    const mine = await put("mine", "c".repeat(64), "2026-01-02T00:00:00.000Z");
    expect((await listImages(dataDir)).map(({ directory }) => directory)).toEqual([fresh, mine, old]);
    expect(await findImage(dataDir)).toMatchObject({ directory: fresh, rootfs: join(fresh, "rootfs"), sizeBytes: 7 });
    expect((await findImage(dataDir, "mine"))?.directory).toBe(mine);
    expect((await findImage(dataDir, "hearth-aaaaaaaaaaaa"))?.directory).toBe(old);
    expect(await findImage(dataDir, "../images/mine")).toBeUndefined();
  });

  it("does not take for an image what is half there or not ours", async () => {
    await mkdir(join(imagesDirectory(dataDir), "hearth-000000000000"), { recursive: true });
    await mkdir(join(imagesDirectory(dataDir), ".building-1"));
    await writeFile(join(imagesDirectory(dataDir), "note.txt"), "");
    const foreign = await put("hearth", "d".repeat(64), "2026-01-01T00:00:00.000Z");
    await writeFile(join(foreign, "image.json"), '{"format":99}');
    const broken = await put("hearth", "e".repeat(64), "2026-01-01T00:00:00.000Z");
    await writeFile(join(broken, "image.json"), '{"format":1,');
    expect(await listImages(dataDir)).toEqual([]);
  });

  it("removes an image, twice if asked", async () => {
    await put("hearth", "a".repeat(64), "2026-01-01T00:00:00.000Z");
    const image = await findImage(dataDir);
    if (image === undefined) throw new Error("not found");
    await removeImage(image);
    await removeImage(image);
    expect(await readdir(imagesDirectory(dataDir))).toEqual([]);
  });
});
