/** What `npm run build` makes, started as a user would: it serves a push to a repository of this host. Without machines: provider `host`. */
import { execFileSync, spawn } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { leftovers } from "../leftovers.ts";
import { ROOT, sandbox } from "../run-hearth.ts";
import { createRepositories, git, until } from "../running-server.ts";

const WORKFLOW =
  "on: push\njobs: { greet: { runs-on: ubuntu-latest, steps: [{ run: echo hello from the release }] } }\n";

describe("the release build", { timeout: 300_000 }, () => {
  it("serves", async () => {
    await using box = await sandbox();
    const program = join(box.directory, "hearth");
    execFileSync(process.execPath, [join(ROOT, "scripts", "build.ts"), join(box.directory, "dist")], { cwd: ROOT });
    symlinkSync(join(box.directory, "dist", "main.js"), program);
    const bare = join(box.directory, "git", "octo-org", "hello.git");
    createRepositories(join(box.directory, "work"), bare, { ".github/workflows/ci.yml": WORKFLOW });
    const env = {
      ...process.env,
      NO_COLOR: "1",
      PORT: "0",
      TMPDIR: box.temporary,
      HEARTH_STATE: join(box.directory, "state"),
      XDG_RUNTIME_DIR: join(box.directory, "run"),
      REPOSITORY_PATH: join(box.directory, "git"),
    };
    const server = spawn(process.execPath, [program, "serve", "--provider", "host"], { env, cwd: box.directory });
    try {
      const ended = new Promise<number | null>((resolve) => server.once("close", (code) => resolve(code)));
      const said = Promise.all([text(server.stdout), text(server.stderr)]);
      const hearth = (...args: string[]): string =>
        execFileSync(process.execPath, [program, ...args], { env, cwd: box.directory, encoding: "utf8" });
      await until(() => {
        if (server.exitCode !== null) throw new Error("it ended");
        try {
          return hearth("doctor", "--server").startsWith("pass") ? true : undefined;
        } catch {
          return undefined;
        }
      });
      const hook = `#!/bin/sh\nexec '${process.execPath}' '${program}' post-receive octo-org/hello\n`;
      writeFileSync(join(bare, "hooks", "post-receive"), hook, { mode: 0o755 });
      git(join(box.directory, "work"), "commit", "--quiet", "--allow-empty", "--message=two");
      execFileSync("git", ["push", "--quiet", bare, "HEAD:refs/heads/main"], { cwd: join(box.directory, "work"), env });
      await until(() => (hearth("runs").includes("success") ? true : undefined));
      expect(hearth("logs")).toContain("hello from the release");
      server.kill("SIGTERM");
      expect([await ended, (await said)[1]]).toEqual([0, expect.stringContaining('"msg":"server stopped"')]);
      expect(await leftovers(box)).toEqual([]);
    } finally {
      server.kill("SIGKILL");
    }
  });
});
