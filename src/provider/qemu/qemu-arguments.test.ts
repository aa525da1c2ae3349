import { describe, expect, it } from "vitest";
import { qemuArguments } from "./qemu-arguments.ts";
import type { QemuMachine } from "./qemu-arguments.ts";

const machine: QemuMachine = {
  name: "hearth-m1",
  accelerator: "tcg",
  cpus: 2,
  memoryMib: 2048,
  kernel: "/k/vmlinux",
  initrd: "/proc/self/fd/6",
  memory: undefined,
  start: "boot",
  disks: [
    { id: "root", path: "/images/a,b/root.sqfs", writable: false },
    { id: "scratch", path: "/proc/self/fd/7", writable: true },
  ],
  ports: [{ name: "agent", fd: 4 }],
  controlFd: 3,
};

/** The values that follow an option, in order. */
function valuesOf(option: string, argv: readonly string[]): string[] {
  return argv.flatMap((argument, index) => (argument === option ? [argv[index + 1] ?? ""] : []));
}

describe("qemuArguments", () => {
  it("emulates an ordinary PC with devices on its PCI bus", () => {
    const argv = qemuArguments(machine);
    expect(valuesOf("-M", argv)).toEqual(["q35,usb=off,vmport=off,memory-backend=memory"]);
    expect(valuesOf("-accel", argv)).toEqual(["tcg,thread=multi"]);
    expect(valuesOf("-append", argv)[0]).toContain("hearth_bus=pci");
    expect(valuesOf("-append", argv)[0]).toContain(" no_timer_check ");
    expect(argv.join(" ")).not.toContain("virtio-blk-device");
  });

  it("uses the small machine under KVM, with the kernel's defences left on", () => {
    const argv = qemuArguments({ ...machine, accelerator: "kvm" });
    expect(valuesOf("-M", argv)[0]).toMatch(/^microvm,/);
    expect(valuesOf("-accel", argv)).toEqual(["kvm"]);
    expect(valuesOf("-append", argv)[0]).toContain("hearth_bus=mmio");
    expect(valuesOf("-append", argv)[0]).not.toMatch(/mitigations=off|no_timer_check/);
    expect(argv.join(" ")).not.toContain("-pci");
  });

  it("uses an ordinary PC under macOS's HVF, without the sandbox that QEMU has on Linux alone", () => {
    const argv = qemuArguments({ ...machine, accelerator: "hvf" });
    expect(valuesOf("-M", argv)).toEqual(["q35,usb=off,vmport=off,memory-backend=memory"]);
    expect([valuesOf("-accel", argv), valuesOf("-cpu", argv)]).toEqual([["hvf"], ["host"]]);
    expect(valuesOf("-append", argv)[0]).toContain("hearth_bus=pci");
    expect(valuesOf("-append", argv)[0]).not.toMatch(/mitigations=off|no_timer_check/);
    expect(argv).not.toContain("-sandbox");
    expect([valuesOf("-nic", argv), argv.join(" ").includes("virtio-blk-device")]).toEqual([["none"], false]);
  });

  it.each(["kvm", "tcg"] as const)(
    "gives a %s machine no network card, no default devices and a sandboxed QEMU",
    (accelerator) => {
      const argv = qemuArguments({ ...machine, accelerator });
      expect(argv.filter((argument) => /netdev|virtio-net|e1000|virtfs|vhost|fsdev/.test(argument))).toEqual([]);
      expect(valuesOf("-nic", argv)).toEqual(["none"]);
      expect(argv).toEqual(expect.arrayContaining(["-nodefaults", "-no-user-config", "-no-reboot"]));
      expect(valuesOf("-sandbox", argv)).toEqual([
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
      ]);
    },
  );

  it("keeps shared disks read-only at the device, and commas in a path from becoming options", () => {
    expect(valuesOf("-drive", qemuArguments(machine))).toEqual([
      "id=root,file=/images/a,,b/root.sqfs,format=raw,if=none,file.locking=off,aio=threads,readonly=on",
      "id=scratch,file=/proc/self/fd/7,format=raw,if=none,file.locking=off,aio=threads,cache=unsafe",
    ]);
  });

  it("says memory and processors as they were asked for", () => {
    const argv = qemuArguments(machine);
    expect([valuesOf("-m", argv), valuesOf("-smp", argv)]).toEqual([["2048M"], ["2"]]);
  });

  it("names the memory the same wherever it is, as a saved state is taken to another place", () => {
    const argv = qemuArguments(machine);
    expect(valuesOf("-M", argv)[0]).toMatch(/,memory-backend=memory$/);
    expect(valuesOf("-object", argv)).toContain("memory-backend-ram,id=memory,size=2048M");
  });

  it.each([
    ["shared", "share=on"],
    ["private", "share=off"],
    ["readonly", "share=off,readonly=on,rom=off"],
  ] as const)("gives memory from a file as %s", (access, how) => {
    const argv = qemuArguments({ ...machine, memory: { path: "/proc/self/fd/8", access } });
    expect(valuesOf("-M", argv)[0]).toMatch(/,memory-backend=memory$/);
    expect(valuesOf("-object", argv)).toContain(
      `memory-backend-file,id=memory,size=2048M,mem-path=/proc/self/fd/8,${how}`,
    );
  });

  it("lets only a copy wait for a saved state, with the devices and the kernel of its template", () => {
    const template = qemuArguments({ ...machine, start: "boot" });
    const copy = qemuArguments({ ...machine, start: "copy" });
    expect(copy).toEqual([...template, "-incoming", "defer"]);
    expect(valuesOf("-append", template)[0]).toContain("hearth_template=1");
  });
});
