import { describe, expect, it } from "vitest";
import { run } from "./fake-command-line.ts";

const good = { check: "no swap", status: "pass", detail: "none", fix: undefined } as const;
const bad = { check: "jailer", status: "fail", detail: "none", fix: "hearth setup firecracker" } as const;
const open = { check: "Rowhammer", status: "unknown", detail: "not told", fix: "use ECC" } as const;

describe("hearth doctor --production", () => {
  it("prints each point with its fix and exits with 5 when one fails", async () => {
    const { code, stdout } = await run(["doctor", "--production"], { hostChecks: [good, bad, open] });
    expect(code).toBe(5);
    expect(stdout).toBe(
      "pass     no swap  none\nfail     jailer  none\n         fix: hearth setup firecracker\n" +
        "unknown  Rowhammer  not told\n         fix: use ECC\n",
    );
  });

  it("exits with 0 when none fails, and prints one JSON document when asked", async () => {
    const { code, stdout } = await run(["doctor", "--production", "--json"], { hostChecks: [good, open] });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ checks: [{ check: "no swap", status: "pass", detail: "none" }, open] });
  });
});

describe("hearth setup firecracker", () => {
  it("registers both programs and prints their versions and digests", async () => {
    const { code, stdout, hearth } = await run(["setup", "firecracker", "--binary", "/a/fc", "--jailer", "/a/jailer"]);
    expect(code).toBe(0);
    expect(hearth.calls).toEqual(["setup firecracker /a/fc /a/jailer"]);
    expect(stdout.split("\n")[0]).toBe(`firecracker  1.16.1  sha256:${"ab".repeat(32)}`);
  });

  it("says what is missing without a jailer, and needs the binary", async () => {
    expect((await run(["setup", "firecracker", "--binary", "/a/fc"])).stderr).toContain(
      "HEARTH_FIRECRACKER_JAILER=off",
    );
    expect((await run(["setup", "firecracker"])).code).toBe(2);
  });
});
