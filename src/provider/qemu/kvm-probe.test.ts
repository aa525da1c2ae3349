import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { probeKvm } from "./kvm-probe.ts";
import type { KvmAnswer, KvmHost } from "./kvm-probe.ts";

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "hearth-test-kvm-"));
});

afterEach(async () => {
  await rm(dataDir, { recursive: true });
});

const silent: KvmAnswer = { works: false, reason: "a guest did not boot under KVM within 5 s" };

function options(qemuVersion = "7.2.22") {
  return {
    dataDir,
    kernel: { version: "6.1.0-1", vmlinux: "/k/vmlinux", modulesDirectory: "/k/modules" },
    qemuVersion,
  };
}

/** A host whose guests do as scripted, one answer for each boot; a boot too many is an error. */
function host(answers: readonly KvmAnswer[], device = true): KvmHost {
  const left = [...answers];
  return {
    deviceIsOpen: async () => device,
    boot: async () => {
      const answer = left.shift();
      if (answer === undefined) throw new Error("booted once more than expected");
      return answer;
    },
  };
}

describe("probeKvm", () => {
  it("believes a guest that booted, and does not boot another", async () => {
    const scripted = host([{ works: true }]);
    expect(await probeKvm(options(), scripted)).toEqual({ works: true });
    expect(await probeKvm(options(), scripted)).toEqual({ works: true });
  });

  it("does not believe a device under which no guest boots, and remembers why", async () => {
    const scripted = host([silent]);
    expect(await probeKvm(options(), scripted)).toEqual(silent);
    expect(await probeKvm(options(), scripted)).toEqual(silent);
  });

  it("tries again when QEMU has changed", async () => {
    const scripted = host([silent, { works: true }]);
    await probeKvm(options("7.2.22"), scripted);
    expect(await probeKvm(options("10.0.1"), scripted)).toEqual({ works: true });
  });

  it("boots nothing without the device, and does not remember that", async () => {
    expect(await probeKvm(options(), host([], false))).toMatchObject({ works: false });
    expect(await readdir(dataDir)).toEqual([]);
    expect(await probeKvm(options(), host([{ works: true }]))).toEqual({ works: true });
  });

  it.each(["", "{", '{"key":1}', "[]"])("tries again when its memory is damaged: %j", async (text) => {
    await writeFile(join(dataDir, "kvm-probe.json"), text);
    expect(await probeKvm(options(), host([{ works: true }]))).toEqual({ works: true });
  });
});
