import { describe, expect, it } from "vitest";
import type { DoctorLine } from "../setup/inspect-host.ts";
import { run } from "./fake-command-line.ts";
import { at } from "./fake-hearth.ts";

const kvm: DoctorLine = {
  status: "fail",
  subject: "KVM",
  detail: "no guest boots",
  fix: "use a host with KVM",
  provider: "qemu",
};
const gvisor: DoctorLine = {
  status: "pass",
  subject: "gVisor",
  detail: "a sandbox ran",
  fix: undefined,
  provider: "gvisor",
};
const host: DoctorLine = { status: "pass", subject: "host", detail: "no isolation", fix: undefined, provider: "host" };

describe("hearth doctor", () => {
  it("prints each line with its fix, then the settings with where they came from", async () => {
    const { code, stdout } = await run(["doctor"], { doctorLines: [kvm, gvisor] });
    expect(code).toBe(0);
    expect(stdout).toContain(
      "fail  KVM  no guest boots\n      fix: use a host with KVM\npass  gVisor  a sandbox ran\n",
    );
    expect(stdout).toContain("Settings\n  state  /state  --state  runs, events and logs\n");
  });

  it("exits with 5 when nothing that isolates works, whatever the host provider says", async () => {
    const { code, stdout } = await run(["doctor"], { doctorLines: [kvm, host] });
    expect(code).toBe(5);
    expect(stdout).toContain("No provider works here");
  });
});

describe("hearth image", () => {
  it("builds with progress on stderr and only the directory on stdout", async () => {
    const { code, stdout, stderr, hearth } = await run(["image", "build", "my.json"]);
    expect(code).toBe(0);
    expect(stdout).toBe("/data/images/default-abcdef012345\n");
    expect(stderr).toBe("building\nimage default abcdef012345, 700 MiB\n");
    expect(hearth.calls).toEqual(["build my.json"]);
  });

  it("lists and removes", async () => {
    const image = {
      name: "default",
      digest: "ab".repeat(32),
      builtAt: new Date(at),
      sizeBytes: 1 << 30,
      directory: "/d",
    };
    expect((await run(["image", "list"], { images: [image] })).stdout).toBe(
      "NAME     DIGEST        SIZE      BUILT             DIRECTORY\n" +
        "default  abababababab  1024 MiB  2026-11-22 10:00  /d\n",
    );
    expect((await run(["image", "list"])).stderr).toContain("hearth image build");
    const removed = await run(["image", "rm", "default"]);
    expect(removed).toMatchObject({ code: 0, stderr: "removed image default abcdef012345, 700 MiB\n" });
  });
});

describe("hearth tools", () => {
  it("adds one after another, telling what is done, and prints where each is", async () => {
    const { code, stdout, stderr, hearth } = await run(["tools", "add", "node@24", "go@1.25"]);
    expect(code).toBe(0);
    expect(hearth.calls).toEqual(["add node@24", "add go@1.25"]);
    expect(stdout).toBe("/data/tools/cache/node/24/x64\n/data/tools/cache/go/1.25/x64\n");
    expect(stderr).toContain("fetching\nnode 24 x64, 200 MiB\n");
    expect((await run(["tools", "add"])).code).toBe(2);
  });

  it("lists and removes", async () => {
    const tool = { name: "node", version: "24.1.0", arch: "x64", sizeBytes: 200 << 20, directory: "/d" };
    expect((await run(["tools", "list"], { tools: [tool] })).stdout).toBe(
      "TOOL  VERSION  ARCH  SIZE     DIRECTORY\nnode  24.1.0   x64   200 MiB  /d\n",
    );
    expect((await run(["tools", "list"])).stderr).toContain("hearth tools add");
    const removed = await run(["tools", "rm", "node@24"]);
    expect(removed).toMatchObject({ code: 0, stderr: "removed node 24 x64, 200 MiB\n" });
  });
});

describe("hearth setup", () => {
  it.each([
    { args: [], wish: "best" },
    { args: ["all"], wish: "all" },
    { args: ["qemu"], wish: "qemu" },
  ])("sets up $wish and says so", async ({ args, wish }) => {
    const { code, stderr } = await run(["setup", ...args]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: `setting up ${wish}\nready\n` });
  });

  it("says what it does and which runsc it came to", async () => {
    const { code, stdout, stderr } = await run(["setup", "gvisor", "--binary", "/opt/runsc"]);
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: "/opt/runsc  release-1\n",
      stderr: "looking for runsc\n",
    });
  });
});
