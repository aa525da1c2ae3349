/**
 * Which kernel modules a machine needs before it has a root file system, and in what order they load. The order is read from
 * the modules themselves (`depends=` in their .modinfo section): Debian's package comes without a modules.dep.
 */

/** How a machine's virtio devices are found: on the emulated PC's PCI bus, or named on the command line and in ACPI. */
export type VirtioBus = "pci" | "mmio";

/** Disks, console ports, entropy, and the two file systems that the root is made of. */
const DEVICES = ["virtio_blk", "virtio_console", "virtio_rng", "squashfs", "overlay"] as const;

export const BOOT_MODULES: { readonly [bus in VirtioBus]: readonly string[] } = {
  pci: ["virtio_pci", ...DEVICES],
  // Firecracker's channel and balloon; QEMU's small machine has neither, and then nothing uses the modules.
  mmio: ["virtio_mmio", ...DEVICES, "vmw_vsock_virtio_transport", "virtio_balloon"],
};

/** The named modules and all that they depend on, each after what it needs. */
export async function loadInOrder(
  names: readonly string[],
  read: (name: string) => Promise<Uint8Array>,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const loaded = new Map<string, Uint8Array>();
  const visit = async (name: string, path: readonly string[]): Promise<void> => {
    if (loaded.has(name)) return;
    if (path.includes(name)) throw new Error(`Kernel modules depend on one another: ${[...path, name].join(" -> ")}`);
    const content = await read(name);
    for (const dependency of moduleDependencies(content)) await visit(dependency, [...path, name]);
    loaded.set(name, content);
  };
  for (const name of names) await visit(name, []);
  return loaded;
}

/** The file's name and the module's differ in dashes (`virtio-rng.ko` is `virtio_rng`). */
export function moduleName(file: string): string {
  return file.replace(/\.ko(\.\w+)?$/, "").replaceAll("-", "_");
}

function moduleDependencies(content: Uint8Array): string[] {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const key = "\0depends=";
  const at = bytes.indexOf(key);
  if (at === -1) throw new Error("Not a kernel module: it names no dependencies");
  const start = at + key.length;
  const list = bytes.toString("latin1", start, bytes.indexOf(0, start));
  return list === "" ? [] : list.split(",").map(moduleName);
}
