import { describe, expect, it } from "vitest";
import { EngineError } from "../lib/engine-error.ts";
import { run } from "./fake-command-line.ts";
import { planned } from "./fake-hearth.ts";

describe("help and version", () => {
  it("are answers on stdout, exit 0, and need no Hearth", async () => {
    for (const argv of [["--help"], ["help", "run"], ["run", "--help"], ["--version"], ["image", "--help"]]) {
      const { code, stdout, stderr, flags } = await run(argv);
      expect({ argv, code, stderr, flags }).toEqual({ argv, code: 0, stderr: "", flags: undefined });
      expect(stdout).not.toBe("");
    }
  });

  it("show examples for the commands that people type most", async () => {
    for (const command of ["run", "plan", "logs", "completion"]) {
      expect((await run([command, "--help"])).stdout).toMatch(/Examples:\n {2}hearth/);
    }
  });
});

describe("bad usage", () => {
  it.each([
    [["rnu"], "Did you mean run?"],
    [["run", "--verbos"], "Did you mean --verbose?"],
    [["run", "--matrix", "os"], "Expected key:value"],
    [["run", "--env", "=x"], "Expected key=value"],
    [["run", "--input", "x"], "Expected key=value"],
    [["run", "--var", "a-b=c"], "a-b is not a name"],
    [["run", "--secret", "a-b=hunter2"], "Expected NAME or NAME=value"],
    [["run", "--concurrency", "0"], "Expected a number"],
    [["run", "--provider", "docker"], "Allowed choices"],
    [["run", "--machine-per", "step"], "Allowed choices"],
    [["run", "a", "b"], "too many arguments"],
    [["image", "rm"], "missing required argument"],
    [["run", "--event-file", "/nowhere.json"], "Cannot read --event-file /nowhere.json"],
    [["run", "--secret-file", "/nowhere.env"], "Cannot read --secret-file /nowhere.env"],
    [[], "Usage: hearth"],
    [["image"], "Usage: hearth image"],
  ])("%j exits with 2 and says why on stderr", async (argv, message) => {
    const { code, stdout, stderr, hearth } = await run(argv);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(message);
    expect(hearth.calls).not.toContain("provider");
  });
});

describe("what a command throws", () => {
  it("is one line and a hint when the operator can act on it", async () => {
    const noProvider = new EngineError("PROVIDER_UNAVAILABLE", "No provider works on this host", {
      hint: "hearth setup gvisor",
    });
    const { code, stderr } = await run(["run"], { noProvider, results: [planned(".github/workflows/ci.yml")] });
    expect(code).toBe(5);
    expect(stderr).toBe("error: No provider works on this host\n  hearth setup gvisor\n");
  });

  it("is a fault of ours with a stack otherwise", async () => {
    const { code, stderr } = await run(["logs", "zzz"]);
    expect(code).toBe(70);
    expect(stderr).toMatch(/^error: a fault in Hearth, please report it\nError: no run zzz\n +at /);
  });
});

describe("settings", () => {
  it("reach the Hearth that the command is connected with", async () => {
    const typed =
      "run --provider qemu --concurrency 3 --state /s --ca-file a.pem --ca-file b.pem --allow-host npmjs.org --network closed";
    const { flags } = await run(typed.split(" "));
    expect(flags).toMatchObject({
      provider: "qemu",
      concurrency: 3,
      state: "/s",
      caFile: ["a.pem", "b.pem"],
      allowHost: ["npmjs.org"],
      network: "closed",
    });
  });
});
