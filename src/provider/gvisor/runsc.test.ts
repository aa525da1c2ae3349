import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fakePrograms } from "../../lib/fake-programs.fixture.ts";
import { runCommand } from "../../lib/run-command.ts";
import { checkpointArgv, findRunsc, restoreArgv, runArgv, tiedToUs } from "./runsc.ts";

const directories = { bundle: "/run/m1/bundle", state: "/run/m1/state", overlay: "/run/m1/overlay", diskMib: 100 };

describe("runArgv", () => {
  it("gives an ordinary user a user namespace, and root none", () => {
    const binary = "/usr/bin/runsc";
    expect(runArgv({ binary, uid: 1000 }, directories)).toContain("--map-auto");
    expect(runArgv({ binary, uid: 0 }, directories)).not.toContain("--map-auto");
  });

  it("keeps each sandbox's state apart and cuts the network off", () => {
    const argv = runArgv({ binary: "/usr/bin/runsc", uid: 0 }, directories);
    expect(argv).toEqual(expect.arrayContaining(["--root=/run/m1/state", "--network=none", "--bundle=/run/m1/bundle"]));
    expect(argv).toEqual(expect.arrayContaining(["--pid", "--mount", "--kill-child"]));
    expect(argv.filter((argument) => argument.startsWith("--host-uds"))).toEqual(["--host-uds=open"]);
  });
});

describe("tiedToUs", () => {
  it("runs a program whose parent we are", async () => {
    expect(await runCommand(tiedToUs(["echo", "a b", "c"]))).toMatchObject({ code: 0, stdout: "a b c\n" });
  });

  it("runs none that already has another parent", async () => {
    // A shell between us and it: as when we are gone and somebody else has taken it in.
    const result = await runCommand(["sh", "-c", '"$@"; exit $?', "sh", ...tiedToUs(["echo", "run"])]);
    expect(result).toMatchObject({ code: 125, stdout: "" });
  });

  it("ends it with its parent", async () => {
    const script = `const child = require("node:child_process").spawn(process.argv[1], process.argv.slice(2));
      console.log(child.pid); child.stdout.once("data", () => process.kill(process.pid, "SIGKILL"))`;
    const argv = tiedToUs(["sh", "-c", "echo up; exec sleep 1000"]);
    const own = argv.indexOf(String(process.pid));
    const mark = [...argv.slice(0, own), "$PARENT", ...argv.slice(own + 1)];
    const start = `process.argv = process.argv.map((one) => one === "$PARENT" ? String(process.pid) : one); ${script}`;
    const { stdout } = await runCommand([process.execPath, "--eval", start, "--", ...mark]);
    await expect.poll(() => existsSync(`/proc/${stdout.trim()}`), { timeout: 10_000 }).toBe(false);
  });
});

describe("restoreArgv", () => {
  it("is how one is started, but for where it goes on from", () => {
    const runsc = { binary: "/usr/bin/runsc", uid: 1000 };
    const restored = restoreArgv(runsc, directories, "/data/templates/some");
    const own = ["restore", "--background", "--image-path=/data/templates/some"];
    expect(
      restored.flatMap((argument) => (argument === "restore" ? ["run"] : own.includes(argument) ? [] : argument)),
    ).toEqual(runArgv(runsc, directories));
    expect(restored).toEqual(expect.arrayContaining(own));
  });
});

describe("checkpointArgv", () => {
  const options = { firstPid: 77, saveIn: "/data/some" };
  it("enters the sandbox's own namespaces, and an ordinary user's as that user", () => {
    const binary = "/usr/bin/runsc";
    expect(checkpointArgv({ binary, uid: 0 }, directories, options).slice(0, 5)).toEqual([
      "nsenter",
      "--target=77",
      "--mount",
      "--pid",
      "--",
    ]);
    expect(checkpointArgv({ binary, uid: 1000 }, directories, options)).toEqual(
      expect.arrayContaining(["--user", "--preserve-credentials"]),
    );
  });
});

describe("findRunsc", () => {
  it("looks in the data directory, then along the path, and knows when there is none", async () => {
    await using programs = await fakePrograms({ runsc: "exit 0" });
    const { directory } = programs;
    expect(await findRunsc("/no/such", `/nowhere::${directory}`)).toBe(`${directory}/runsc`);
    expect(await findRunsc("/no/such", "/nowhere")).toBeUndefined();
    expect(await findRunsc("/no/such", "")).toBeUndefined();
  });
});
