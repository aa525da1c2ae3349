import { mkdir, mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fakePrograms } from "../lib/fake-programs.fixture.ts";
import type { FakePrograms } from "../lib/fake-programs.fixture.ts";
import type { Image } from "./image-store.ts";
import { prepareDisks } from "./squashfs.ts";

let directory: string;

let programs: FakePrograms | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "hearth-test-squashfs-"));
  for (const name of ["rootfs", "externals"]) await mkdir(join(directory, name));
});

afterEach(async () => {
  await programs?.[Symbol.asyncDispose]();
  programs = undefined;
  await rm(directory, { recursive: true });
});

function image(): Image {
  return {
    name: "hearth",
    digest: "0".repeat(64),
    labels: [],
    hostname: "hearth",
    directory,
    rootfs: join(directory, "rootfs"),
    externals: join(directory, "externals"),
    builtAt: new Date(0),
    sizeBytes: 0,
  };
}

/** Writes what it was asked to pack, and keeps count. */
function packing(script = 'echo "$1" > "$2"') {
  return fakePrograms({
    mksquashfs: `echo "$@" >> ${directory}/calls; ${script}`,
    // What an ordinary user's call is wrapped in.
    unshare: 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
  });
}

const options = { progress: () => undefined, signal: new AbortController().signal };

describe("prepareDisks", () => {
  it("packs root and externals beside the image, each once, however many ask at the same time", async () => {
    programs = await packing();
    const all = await Promise.all([1, 2, 3].map(() => prepareDisks(image(), options)));
    const [disks] = all;
    expect(all).toEqual([disks, disks, disks]);
    expect(await readFile(disks?.root ?? "", "utf8")).toBe(`${directory}/rootfs\n`);
    expect(await readFile(disks?.externals ?? "", "utf8")).toBe(`${directory}/externals\n`);
    const calls = (await readFile(join(directory, "calls"), "utf8")).trim().split("\n");
    expect(calls).toEqual([expect.stringContaining("-comp zstd"), expect.stringContaining("-noI")]);
  });

  it("leaves no half of a disk when packing fails, and says so", async () => {
    programs = await packing('echo half > "$2"; echo "no space left" >&2; exit 1');
    await expect(prepareDisks(image(), options)).rejects.toMatchObject({ code: "IMAGE_BUILD_FAILED" });
    const left = (await readdir(directory)).filter((name) => name.includes("sqfs"));
    expect(left).toEqual([]);
  });

  it("ends with the signal's reason when it is aborted, and leaves no half either", async () => {
    programs = await packing('echo half > "$2"; exec sleep 60');
    const controller = new AbortController();
    const reason = new Error("no longer wanted");
    const preparing = prepareDisks(image(), {
      signal: controller.signal,
      progress: () => controller.abort(reason),
    });
    await expect(preparing).rejects.toBe(reason);
    expect((await readdir(directory)).filter((name) => name.includes("sqfs"))).toEqual([]);
  });
});
