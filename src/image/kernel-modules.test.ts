import { describe, expect, it } from "vitest";
import { loadInOrder, moduleName } from "./kernel-modules.ts";

const DEPENDENCIES: Readonly<Record<string, string>> = {
  virtio_ring: "",
  virtio: "virtio_ring",
  virtio_blk: "virtio,virtio_ring",
  virtio_rng: "virtio,virtio-ring",
  loop_a: "loop_b",
  loop_b: "loop_a",
};

async function read(name: string): Promise<Buffer> {
  return Buffer.from(`\x7fELF\0license=GPL\0depends=${DEPENDENCIES[name] ?? ""}\0name=${name}\0`);
}

describe("loadInOrder", () => {
  it("puts each module after what it depends on, and each once", async () => {
    const modules = await loadInOrder(["virtio_blk", "virtio_rng"], read);
    expect([...modules.keys()]).toEqual(["virtio_ring", "virtio", "virtio_blk", "virtio_rng"]);
  });

  it("names the circle when modules depend on one another", async () => {
    await expect(loadInOrder(["loop_a"], read)).rejects.toThrow("loop_a -> loop_b -> loop_a");
  });

  it("refuses a file that is not a module", async () => {
    await expect(loadInOrder(["x"], async () => Buffer.from("text"))).rejects.toThrow("Not a kernel module");
  });
});

describe("moduleName", () => {
  it("is the kernel's name for a module's file, compressed or not", () => {
    expect(moduleName("virtio-rng.ko")).toBe("virtio_rng");
    expect(moduleName("overlay.ko.xz")).toBe("overlay");
  });
});
