/**
 * The initial file system of a virtual machine, in two archives one after the other: the base (busybox, kernel modules, the init
 * script) is the same for all machines of a kernel; the second holds what is a machine's own. Both are made in memory in a few
 * milliseconds, so neither is cached.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import { writeCpio } from "./cpio.ts";
import type { CpioEntry } from "./cpio.ts";
import { FIX_UP_SCRIPT } from "./fix-up-script.ts";
import { INIT_SCRIPT } from "./init-script.ts";
import { BOOT_MODULES, loadInOrder } from "./kernel-modules.ts";
import type { VirtioBus } from "./kernel-modules.ts";
import type { Kernel } from "./kernel.ts";
import { VSOCK_BRIDGE } from "./vsock-bridge.ts";

export interface MachineFiles {
  /** The bundled agent: one ES module. */
  readonly agent: Uint8Array;
  /** PEM, trusted by the guest beside its own; undefined for none. */
  readonly certificateAuthorities: string | undefined;
  /** Absolute paths in the guest, made where they are missing and given to the runner; parents come first. */
  readonly directories: readonly string[];
}

const BUSYBOX = "/bin/busybox";
/** The commands of the init script that the shell does not do itself. */
const APPLETS = ["sh", "mount", "mkdir", "insmod", "ip", "chown", "cp", "cat", "ln", "env"];

/** Throws SETUP_FAILED when the host has no static busybox to take along. */
export async function baseInitrd(kernel: Kernel): Promise<Buffer> {
  const entries: CpioEntry[] = [
    ...["bin", "dev", "etc", "lower", "machine", "modules", "new", "proc", "sys", "tools", "upper"].map(directory),
    file("init", 0o755, INIT_SCRIPT),
    file("fix-up.pl", 0o644, FIX_UP_SCRIPT),
    file("vsock-bridge.py", 0o644, VSOCK_BRIDGE),
    file("bin/busybox", 0o755, await readStaticBusybox()),
    ...APPLETS.map((name): CpioEntry => ({ kind: "link", path: `bin/${name}`, target: "busybox" })),
    file(
      "etc/fstab",
      0o644,
      "dev /dev devtmpfs nosuid 0 0\nproc /proc proc defaults 0 0\nsys /sys sysfs defaults 0 0\n",
    ),
  ];
  const read = (name: string) => readFile(join(kernel.modulesDirectory, `${name}.ko`));
  const modules = new Map<string, Uint8Array>();
  for (const bus of ["pci", "mmio"] satisfies VirtioBus[]) {
    const ordered = await loadInOrder(BOOT_MODULES[bus], read);
    for (const [name, content] of ordered) modules.set(name, content);
    entries.push(file(`modules/order.${bus}`, 0o644, [...ordered.keys(), ""].join("\n")));
  }
  for (const [name, content] of modules) entries.push(file(`modules/${name}.ko`, 0o644, content));
  return writeCpio(entries);
}

/** What follows the base for one machine. */
export function machineInitrd({ agent, certificateAuthorities, directories }: MachineFiles): Buffer {
  const entries = [
    file("machine/agent.mjs", 0o644, agent),
    file("machine/directories", 0o644, directories.map((path) => `${path}\n`).join("")),
  ];
  if (certificateAuthorities !== undefined) {
    entries.push(file("machine/authorities.pem", 0o644, `\n${certificateAuthorities.trim()}\n`));
  }
  return writeCpio(entries);
}

/** The least that shows that a guest runs: no drivers, no disks, one line on the console. Throws as `baseInitrd` does. */
export async function initrdThatSays(line: string): Promise<Buffer> {
  return writeCpio([
    directory("bin"),
    file("bin/busybox", 0o755, await readStaticBusybox()),
    // Its end would be the kernel's panic, and a line more.
    file("init", 0o755, `#!/bin/busybox sh\necho "${line}"\nexec /bin/busybox sleep 3600\n`),
  ]);
}

function directory(path: string): CpioEntry {
  return { kind: "directory", path, mode: 0o755 };
}

function file(path: string, mode: number, content: string | Uint8Array): CpioEntry {
  return { kind: "file", path, mode, content: typeof content === "string" ? Buffer.from(content) : content };
}

/** Debian's other package, `busybox`, installs the same path with a program that needs the host's C library. */
async function readStaticBusybox(): Promise<Buffer> {
  const hint = "apt-get install busybox-static";
  let program: Buffer;
  try {
    program = await readFile(BUSYBOX);
  } catch (error) {
    throw new EngineError("SETUP_FAILED", `Cannot read ${BUSYBOX}`, { cause: error, hint });
  }
  if (!isStaticElf(program)) throw new EngineError("SETUP_FAILED", `${BUSYBOX} is not statically linked`, { hint });
  return program;
}

const PT_INTERP = 3;

/** A 64-bit ELF file without a program header that asks for an interpreter. */
function isStaticElf(program: Buffer): boolean {
  if (program.length < 64 || program.toString("latin1", 0, 5) !== "\x7fELF\x02") return false;
  const start = Number(program.readBigUInt64LE(32));
  const size = program.readUInt16LE(54);
  const count = program.readUInt16LE(56);
  const headers = Array.from({ length: count }, (_, index) => start + index * size);
  return headers.every((at) => at + 4 <= program.length && program.readUInt32LE(at) !== PT_INTERP);
}
