import { describe, expect, it } from "vitest";
import { kernelArguments } from "./kernel-arguments.ts";
import { jailRoot, jailerArguments } from "./jailer.ts";

const jail = {
  id: "m-1",
  jailer: "/data/bin/jailer",
  firecracker: "/data/bin/firecracker",
  base: "/data/jail",
  uid: 1_900_000_007,
  gid: 1_900_000_007,
  cgroup: { cpus: 2, memoryMib: 1024 },
  maxFileBytes: 4096,
};

describe("the jailer's command line", () => {
  it("names the machine, its account, its limits, and what Firecracker itself is told", () => {
    expect(jailerArguments(jail, ["--api-sock", "api.sock"]).join(" ")).toBe(
      "/data/bin/jailer --id m-1 --exec-file /data/bin/firecracker --uid 1900000007 --gid 1900000007 " +
        "--chroot-base-dir /data/jail --cgroup-version 2 --parent-cgroup hearth-firecracker " +
        "--cgroup memory.max=1207959552 --cgroup memory.swap.max=0 --cgroup cpu.max=200000 100000 --cgroup pids.max=256 " +
        "--resource-limit fsize=4096 --resource-limit no-file=2048 -- --api-sock api.sock",
    );
  });

  it("has no cgroup where there is none of version 2", () => {
    expect(jailerArguments({ ...jail, cgroup: undefined }, []).join(" ")).not.toContain("cgroup");
  });

  it("leads to the directory that the jailer makes the root", () => {
    expect(jailRoot("/data/jail", "m-1")).toBe("/data/jail/firecracker/m-1/root");
  });
});

describe("the kernel's command line", () => {
  it("is never Firecracker's default, and names the disks in their order", () => {
    const line = kernelArguments({ disks: ["root", "externals"], console: true });
    expect(line).toContain("console=ttyS0");
    expect(line).toContain("hearth_bus=mmio hearth_channel=vsock hearth_disks=root,externals");
    expect(line).not.toContain("nomodule");
  });

  it("has a length that the guest's memory has room for", () => {
    expect(() => kernelArguments({ disks: ["x".repeat(2048)], console: true })).toThrow("at most 2048 bytes");
  });
});
