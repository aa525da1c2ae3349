import { access, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fakePrograms } from "../lib/fake-programs.fixture.ts";
import type { FakePrograms } from "../lib/fake-programs.fixture.ts";
import { findKernel, prepareKernel } from "./kernel.ts";
import { BOOT_MODULES } from "./kernel-modules.ts";

let place: string;
let dataDir: string;

let programs: FakePrograms | undefined;

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), "hearth-test-kernel-"));
  dataDir = join(place, "data");
  await makePackage(join(place, "package"));
});

afterEach(async () => {
  await programs?.[Symbol.asyncDispose]();
  programs = undefined;
  await rm(place, { recursive: true });
});

const NAME = "linux-image-6.1.0-56-cloud-amd64";
const { signal } = new AbortController();

/** What is unpacked from the package: a kernel, and modules that need one more. */
async function makePackage(directory: string): Promise<void> {
  const modules = join(directory, "lib/modules/6.1.0-56-cloud-amd64/kernel/drivers");
  await mkdir(modules, { recursive: true });
  await mkdir(join(directory, "boot"));
  for (const name of new Set(Object.values(BOOT_MODULES).flat())) {
    await writeFile(join(modules, `${name.replace("_", "-")}.ko`), "\0depends=virtio_ring\0");
  }
  await writeFile(join(modules, "virtio_ring.ko.gz"), gzipSync("\0depends=\0"));
  const bzImage = Buffer.alloc(1024);
  bzImage.writeUInt8(1, 0x1f1);
  bzImage.write("HdrS", 0x202, "latin1");
  bzImage.writeUInt16LE(0x20f, 0x206);
  const payload = gzipSync("\x7fELF kernel");
  bzImage.writeUInt32LE(payload.length, 0x24c);
  await writeFile(join(directory, "boot/vmlinuz-6.1.0-56-cloud-amd64"), Buffer.concat([bzImage, payload]));
}

/** Debian's tools as far as they are called. `aptGet` decides what a call of apt-get does. */
function debian(aptGet: string) {
  return fakePrograms({
    "apt-cache": `printf 'linux-image-cloud-amd64\\n  Depends: ${NAME}\\n'`,
    "apt-get": `echo "$@" >> ${place}/calls; ${aptGet}`,
    "dpkg-deb": `cp -r ${place}/package "$3"`,
  });
}

const DOWNLOADS = `touch ${NAME}_6.1.192-2_amd64.deb`;

describe.runIf(process.arch === "x64")("prepareKernel", () => {
  it("takes kernel and modules out of the package, with what the modules need, and says what it does", async () => {
    programs = await debian(DOWNLOADS);
    const lines: string[] = [];
    const kernel = await prepareKernel({ dataDir, progress: (line) => lines.push(line), signal });
    expect(kernel.version).toBe("6.1.0-56-cloud-amd64_6.1.192-2");
    expect(await readFile(kernel.vmlinux, "utf8")).toBe("\x7fELF kernel");
    expect(await readdir(kernel.modulesDirectory)).toEqual(expect.arrayContaining(["overlay.ko", "virtio_ring.ko"]));
    expect(await readFile(join(kernel.modulesDirectory, "virtio_ring.ko"), "utf8")).toBe("\0depends=\0");
    expect(lines[0]).toBe(`kernel: downloading ${NAME} (cloud)`);
  });

  it("downloads once, however many ask at the same time, and finds it again", async () => {
    programs = await debian(DOWNLOADS);
    const all = await Promise.all([1, 2, 3].map(() => prepareKernel({ dataDir, progress: () => undefined, signal })));
    expect(all).toEqual([all[0], all[0], all[0]]);
    expect(await findKernel(dataDir)).toEqual(all[0]);
    expect((await readFile(join(place, "calls"), "utf8")).trim().split("\n")).toHaveLength(1);
  });

  it("reads fresh package lists of its own when the host's are too old", async () => {
    programs = await debian(
      `case "$*" in *Dir::State*update*) exit 0;; *Dir::State*) ${DOWNLOADS};; *) exit 100;; esac`,
    );
    const kernel = await prepareKernel({ dataDir, progress: () => undefined, signal });
    await expect(access(kernel.vmlinux)).resolves.toBeUndefined();
  });

  it("says what failed and how to go on, and leaves nothing half done", async () => {
    programs = await debian("echo 'E: Temporary failure resolving deb.debian.org' >&2; exit 100");
    await expect(prepareKernel({ dataDir, progress: () => undefined, signal })).rejects.toMatchObject({
      code: "SETUP_FAILED",
      message: expect.stringContaining("Temporary failure resolving"),
      hint: expect.stringContaining("sources.list.d"),
    });
    expect(await readdir(join(dataDir, "kernels"))).toEqual([".lock"]);
    expect(await findKernel(dataDir)).toBeUndefined();
  });

  it("does not take a kernel from which other modules were taken", async () => {
    await mkdir(join(dataDir, "kernels/6.1.0-40-cloud-amd64_6.1.150-1-00000000"), { recursive: true });
    expect(await findKernel(dataDir)).toBeUndefined();
  });
});
