import { existsSync } from "node:fs";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fakePrograms } from "../../lib/fake-programs.fixture.ts";
import { runCommand } from "../../lib/run-command.ts";
import { probeGvisor } from "./probe.ts";

let dataDir = "";
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "hearth-test-probe-"));
});
afterEach(async () => rm(dataDir, { recursive: true }));

const host = (searchPath: string) => ({ dataDir, searchPath, uid: 0, cgroups: undefined });

describe("probeGvisor", () => {
  it("names the command that installs runsc where there is none", async () => {
    expect(await probeGvisor(host("/nowhere"))).toEqual({
      ok: false,
      reason: "runsc is not installed",
      fix: "hearth setup gvisor",
    });
  });

  it("does not believe a runsc that cannot run a sandbox, says why, and leaves nothing", async () => {
    await using programs = await fakePrograms({
      runsc: "echo 'flag provided but not defined' >&2; exit 128",
      unshare: "exit 0",
    });
    const probe = await probeGvisor(host(programs.directory));
    expect(probe).toMatchObject({ ok: false, fix: "hearth setup gvisor" });
    // Where the test may not make namespaces the sandbox fails of that: none ran either way.
    expect(JSON.stringify(probe)).toMatch(/cannot run a sandbox: it exited with/);
    expect(await readdir(dataDir)).toEqual([]);
  });

  it.skipIf(process.getuid?.() !== 0)(
    "tries again when its sandbox is killed, which says nothing of gVisor",
    async () => {
      const tries = join(dataDir, "tries");
      await using programs = await fakePrograms({
        // As runsc ends when its sandbox is killed.
        runsc: `echo once >> ${tries}; exit 137`,
        unshare: "exit 0",
      });
      expect(await probeGvisor(host(programs.directory))).toMatchObject({
        ok: false,
        reason: expect.stringContaining("it was killed by SIGKILL"),
      });
      expect(await readFile(tries, "utf8")).toBe("once\nonce\nonce\n");
    },
  );

  it("says when namespaces are what is missing, not runsc", async () => {
    await using programs = await fakePrograms({
      runsc: "exit 0",
      unshare: "echo 'unshare: unshare failed: Operation not permitted' >&2; exit 1",
    });
    expect(await probeGvisor(host(programs.directory))).toEqual({
      ok: false,
      reason: "root cannot make namespaces: unshare: unshare failed: Operation not permitted",
      fix: "run Hearth outside a container",
    });
  });

  // Where there is no newuidmap that is what the probe says first.
  it.skipIf(!existsSync("/usr/bin/newuidmap"))(
    "names what a service forbids newuidmap before it asks for ids",
    async () => {
      await using programs = await fakePrograms({
        runsc: "exit 0",
        unshare: "echo 'newuidmap: write to uid_map failed: Operation not permitted' >&2; exit 1",
      });
      const probe = `
      import { probeGvisor } from ${JSON.stringify(new URL("probe.ts", import.meta.url).href)};
      const host = ${JSON.stringify({ ...host(programs.directory), uid: 1000 })};
      console.log((await probeGvisor(host)).fix);
    `;
      const argv = [process.execPath, "--input-type=module", "--eval", probe];
      const { stdout } = await runCommand(["setpriv", "--no-new-privs", "--", ...argv]);
      expect(stdout).toContain("without NoNewPrivileges");
      const { stdout: elsewhere } = await runCommand(argv);
      expect(elsewhere).not.toContain("NoNewPrivileges");
    },
  );
});
