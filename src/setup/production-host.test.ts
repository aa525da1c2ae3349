import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inspectProductionHost } from "./production-host.ts";
import type { ProductionHost } from "./production-host.ts";

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hearth-test-host-"));
});
afterEach(async () => rm(root, { recursive: true }));

/** As a host that is set up shows itself. */
const GOOD: Readonly<Record<string, string>> = {
  "proc/sys/kernel/osrelease": "6.1.0-56-amd64\n",
  "dev/kvm": "",
  "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma\n",
  "sys/devices/system/cpu/smt/control": "forceoff\n",
  "sys/devices/system/cpu/vulnerabilities/meltdown": "Mitigation: PTI\n",
  "sys/devices/system/cpu/vulnerabilities/mds": "Not affected\n",
  "sys/kernel/mm/ksm/run": "0\n",
  "proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
  "proc/sys/kernel/randomize_va_space": "2\n",
  "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
};

async function inspect(changes: Readonly<Record<string, string | undefined>>, host: Partial<ProductionHost> = {}) {
  for (const [path, content] of Object.entries({ ...GOOD, ...changes })) {
    if (content === undefined) continue;
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content, { mode: 0o640 });
  }
  if (changes["dev/kvm"] === "open") await chmod(join(root, "dev/kvm"), 0o666);
  const checks = await inspectProductionHost({
    root,
    jailer: { registered: true, required: true },
    console: { on: false, limited: false },
    disksLimited: true,
    ...host,
  });
  return Object.fromEntries(checks.map(({ check, ...answer }) => [check, answer]));
}

describe("inspectProductionHost", () => {
  it("passes a host that is set up, but for what no file tells", async () => {
    const checks = await inspect({});
    const others = Object.entries(checks).filter(([, { status }]) => status !== "pass");
    expect(others.map(([check, { status }]) => [check, status])).toEqual([["memory resists Rowhammer", "unknown"]]);
  });

  it.each([
    ["proc/sys/kernel/osrelease", "4.19.0", "host kernel 5.10 or newer"],
    ["dev/kvm", "open", "/dev/kvm is not open to everybody"],
    ["dev/kvm", undefined, "/dev/kvm is not open to everybody"],
    ["sys/fs/cgroup/cgroup.controllers", undefined, "cgroup v2 with memory, cpu, pids"],
    ["sys/fs/cgroup/cgroup.controllers", "cpuset memory", "cgroup v2 with memory, cpu, pids"],
    ["sys/devices/system/cpu/smt/control", "on", "simultaneous multithreading is off"],
    ["sys/devices/system/cpu/vulnerabilities/mds", "Vulnerable", "the processor's vulnerabilities are mitigated"],
    [
      "sys/devices/system/cpu/vulnerabilities/mds",
      "Mitigation: Clear CPU buffers; SMT vulnerable",
      "the processor's vulnerabilities are mitigated",
    ],
    ["sys/kernel/mm/ksm/run", "1", "kernel same-page merging is off"],
    ["proc/swaps", "Filename Type\n/dev/sda2 partition 1 0 -2", "no swap"],
    ["proc/sys/kernel/randomize_va_space", "0", "address space is randomised"],
  ])("fails %s = %s, with a fix, and nothing else", async (path, content, failing) => {
    const checks = await inspect({ [path]: content });
    const failed = Object.entries(checks).filter(([, { status }]) => status === "fail");
    expect(failed).toEqual([
      [failing, { status: "fail", detail: expect.any(String), fix: expect.stringMatching(/\w/) }],
    ]);
  });

  it.each([
    ["sys/devices/system/cpu/smt/control", "simultaneous multithreading is off"],
    ["sys/kernel/mm/ksm/run", "kernel same-page merging is off"],
    ["proc/swaps", "no swap"],
    ["proc/sys/kernel/randomize_va_space", "address space is randomised"],
  ])("does not know without %s, and does not call that good", async (path, check) => {
    expect((await inspect({ [path]: undefined }))[check]).toMatchObject({ status: "unknown" });
  });

  it.each<[Partial<ProductionHost>, string]>([
    [{ jailer: { registered: false, required: true } }, "a jailer is registered and required"],
    [{ jailer: { registered: true, required: false } }, "a jailer is registered and required"],
    [{ console: { on: true, limited: false } }, "guests' serial consoles are off or limited"],
    [{ disksLimited: false }, "guests' disks are limited"],
  ])("fails for settings %j", async (host, check) => {
    expect((await inspect({}, host))[check]).toMatchObject({ status: "fail", fix: expect.stringMatching(/\w/) });
  });

  it("takes a console that is limited", async () => {
    const { "guests' serial consoles are off or limited": answer } = await inspect(
      {},
      { console: { on: true, limited: true } },
    );
    expect(answer?.status).toBe("pass");
  });
});
