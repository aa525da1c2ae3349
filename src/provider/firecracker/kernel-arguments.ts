/**
 * The guest kernel's command line. Always given: Firecracker's own default has `nomodule`, and our drivers are modules.
 * Pure. Source: Firecracker's docs/getting-started.md and docs/prod-host-setup.md; at most 2048 bytes (x86-64).
 */
const MAX_BYTES = 2048;

export interface KernelArguments {
  /** In the order in which they are attached: the guest cannot tell them apart otherwise. */
  readonly disks: readonly string[];
  /** False: the guest has no serial port, and nobody knows its last words. */
  readonly console: boolean;
}

/**
 * `reboot=k` ends Firecracker; `panic=-1` reboots at once, so that a machine that has panicked does not stay. The keyboard's
 * controller is there only to reset the machine: looking for more of it costs time.
 */
export function kernelArguments({ disks, console }: KernelArguments): string {
  const line = [
    ...(console ? ["console=ttyS0"] : ["8250.nr_uarts=0"]),
    "quiet reboot=k panic=-1 pci=off i8042.noaux i8042.nomux i8042.dumbkbd",
    "hearth_bus=mmio hearth_channel=vsock",
    ...(disks.length === 0 ? [] : [`hearth_disks=${disks.join(",")}`]),
  ].join(" ");
  if (Buffer.byteLength(line) > MAX_BYTES) throw new Error(`A kernel's command line has at most ${MAX_BYTES} bytes`);
  return line;
}
