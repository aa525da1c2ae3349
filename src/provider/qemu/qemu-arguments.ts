/**
 * The command line of QEMU for one machine. Two kinds of machine, as measured: with KVM the small `microvm` with virtio-mmio; emulated
 * an ordinary PC with a small firmware, as `microvm` loses its way there when it measures the clock. Neither has a network card.
 * Pure: every path and descriptor is given. Source: qemu(1), docs/system/i386/microvm.
 */
import type { VirtioBus } from "../../image/kernel-modules.ts";
import { unreachable } from "../../lib/unreachable.ts";

/** `hvf` is macOS's on Intel processors: written and never run (`probe.ts`). */
export type Accelerator = "kvm" | "tcg" | "hvf";

export interface QemuMachine {
  readonly name: string;
  readonly accelerator: Accelerator;
  readonly cpus: number;
  readonly memoryMib: number;
  readonly kernel: string;
  /** A machine that goes on from a saved state has read its own long ago. */
  readonly initrd: string | undefined;
  /** Undefined: memory that is nobody else's and gone with the machine. */
  readonly memory: QemuMemory | undefined;
  /** `copy`: waits to be told a saved state. */
  readonly start: "boot" | "copy";
  readonly disks: readonly QemuDisk[];
  readonly ports: readonly QemuPort[];
  /** Descriptor of a connected socket that QEMU inherits, for its control protocol. */
  readonly controlFd: number;
}

export interface QemuMemory {
  readonly path: string;
  /** `shared`: what the machine writes goes into the file. Else it is the machine's own; `readonly`: for QEMU the file is too. */
  readonly access: "shared" | "private" | "readonly";
}

interface QemuDisk {
  /** The serial number by which the guest knows the disk. */
  readonly id: string;
  readonly path: string;
  readonly writable: boolean;
}

interface QemuPort {
  /** The name by which the guest knows the port. */
  readonly name: string;
  /** Descriptor of a connected socket that QEMU inherits. */
  readonly fd: number;
}

/**
 * All that QEMU emulates (x86-64-v3), but for what makes the emulation itself slow: string instructions that it does byte by
 * byte and that the kernel would prefer if it saw them, and checks on every access of the kernel to user memory. A tenth of
 * the time to boot.
 */
const EMULATED_CPU = "max,-erms,-fsrm,-smap,-smep";

/** What QEMU itself may never do; it needs none of it for a machine without migration helpers. */
const SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/** Without the program's own name. The console is QEMU's standard output. */
export function qemuArguments(machine: QemuMachine): string[] {
  const bus = machine.accelerator === "kvm" ? "device" : "pci";
  return [
    "-name",
    machine.name,
    ...platform(machine),
    "-m",
    `${machine.memoryMib}M`,
    "-smp",
    String(machine.cpus),
    "-nodefaults",
    "-nic",
    "none",
    "-no-user-config",
    "-no-reboot",
    "-display",
    "none",
    // QEMU has it on Linux alone.
    ...(machine.accelerator === "hvf" ? [] : ["-sandbox", SANDBOX]),
    "-kernel",
    machine.kernel,
    ...(machine.initrd === undefined ? [] : ["-initrd", machine.initrd]),
    "-append",
    kernelCommandLine(machine),
    "-chardev",
    "stdio,id=console,signal=off,mux=off",
    "-serial",
    "chardev:console",
    "-chardev",
    `socket,id=control,fd=${machine.controlFd}`,
    "-mon",
    "chardev=control,mode=control",
    "-object",
    "rng-random,id=entropy,filename=/dev/urandom",
    "-device",
    `virtio-rng-${bus},rng=entropy`,
    ...machine.disks.flatMap((disk) => diskArguments(disk, bus)),
    "-device",
    `virtio-serial-${bus}`,
    ...machine.ports.flatMap(portArguments),
    ...memoryArguments(machine),
    ...(machine.start === "copy" ? ["-incoming", "defer"] : []),
  ];
}

/** The memory has the same name wherever it is: a state that was saved from one place goes on from another. */
function platform({ accelerator }: QemuMachine): string[] {
  switch (accelerator) {
    case "kvm": {
      const microvm = "microvm,x-option-roms=off,pit=on,pic=on,isa-serial=on,rtc=on,memory-backend=memory";
      return ["-M", microvm, "-accel", "kvm", "-cpu", "host"];
    }
    case "tcg": {
      const pc = "q35,usb=off,vmport=off,memory-backend=memory";
      return ["-M", pc, "-bios", "qboot.rom", "-accel", "tcg,thread=multi", "-cpu", EMULATED_CPU];
    }
    case "hvf":
      return [
        "-M",
        "q35,usb=off,vmport=off,memory-backend=memory",
        "-bios",
        "qboot.rom",
        "-accel",
        "hvf",
        "-cpu",
        "host",
      ];
    default:
      return unreachable(accelerator);
  }
}

function memoryArguments({ memory, memoryMib }: QemuMachine): string[] {
  if (memory === undefined) return ["-object", `memory-backend-ram,id=memory,size=${memoryMib}M`];
  const { path, access } = memory;
  const how = { shared: "share=on", private: "share=off", readonly: "share=off,readonly=on,rom=off" }[access];
  return ["-object", `memory-backend-file,id=memory,size=${memoryMib}M,mem-path=${path.replaceAll(",", ",,")},${how}`];
}

/** `panic=-1` reboots at once and `-no-reboot` makes an end of that: a machine that has panicked does not stay. */
function kernelCommandLine({ accelerator }: QemuMachine): string {
  const bus: VirtioBus = accelerator === "kvm" ? "mmio" : "pci";
  const common = `console=ttyS0 reboot=t panic=-1 quiet hearth_bus=${bus} hearth_template=1`;
  // Emulation is no boundary and the guest has one tenant: its own defences and self-tests would cost a third of a second.
  // Its timer is late where the host is busy, which the kernel takes for a broken one and panics.
  const emulated =
    "mitigations=off audit=0 apparmor=0 lsm=capability cryptomgr.notests nokaslr nowatchdog no_timer_check transparent_hugepage=always";
  return accelerator === "tcg" ? `${common} ${emulated}` : common;
}

/**
 * `unsafe` never waits for the host's disk: what a machine has written dies with it. Without locks, as machines share the
 * read-only disks.
 */
function diskArguments({ id, path, writable }: QemuDisk, bus: string): string[] {
  const access = writable ? "cache=unsafe" : "readonly=on";
  const drive = `id=${id},file=${path.replaceAll(",", ",,")},format=raw,if=none,file.locking=off,aio=threads,${access}`;
  return ["-drive", drive, "-device", `virtio-blk-${bus},drive=${id},serial=${id}`];
}

function portArguments({ name, fd }: QemuPort): string[] {
  return ["-chardev", `socket,id=${name},fd=${fd}`, "-device", `virtserialport,chardev=${name},name=${name}`];
}
