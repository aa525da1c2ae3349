/** `hearth.yml` as a person meets it: the command line, a repository, the host provider because it was asked for. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sandbox } from "../run-hearth.ts";
import type { HearthEnd } from "../run-hearth.ts";

const WORKFLOW = `
on: push
jobs:
  test:
    runs-on: \${{ matrix.os }}
    strategy: { matrix: { os: [ubuntu-latest, windows-latest] } }
    steps: [{ run: 'echo "os $RUNNER_OS region \${{ vars.REGION }}"' }]
  deploy:
    runs-on: [self-hosted, GPU]
    environment: Production
    env: { KEY: "\${{ secrets.KEY }}", REGION: "\${{ vars.REGION }}" }
    steps: [{ run: 'echo "$REGION \${#KEY} $KEY"' }]
`;

async function hearth(file: string, args: readonly string[], env: Record<string, string> = {}): Promise<HearthEnd> {
  await using box = await sandbox();
  const project = join(box.directory, "project");
  await mkdir(join(project, ".github/workflows"), { recursive: true });
  await writeFile(join(project, ".github/workflows/ci.yml"), WORKFLOW);
  await writeFile(join(project, "hearth.yml"), file);
  return await box.run(args, { cwd: project, env });
}

const FILE = `
runs-on:
  self-hosted, gpu: { cpus: 1, memory: 512 MiB }
vars: { REGION: eu }
environments:
  production: { vars: { REGION: us }, secrets: { KEY: { env: HEARTH_SECRET_KEY } } }
`;

describe("hearth.yml", () => {
  it("gives jobs machines, variables and the secrets of their environment; --skip-unsupported leaves Windows out", async () => {
    const end = await hearth(FILE, ["run", "--provider", "host", "--skip-unsupported", "--verbose"], {
      HEARTH_SECRET_KEY: "hunter2",
    });
    expect(end.stdout).toContain("os Linux region eu");
    expect(end.stdout).toContain("us 7 ***");
    expect(end.stdout + end.stderr).not.toContain("hunter2");
    expect(end.stdout.match(/^machine ready/gmu)).toHaveLength(2);
    expect(end.stdout).toMatch(/ci\.yml {2}success {2}2\/3 steps \(1 skipped\) {2}1 job skipped as unsupported/u);
    expect(end.stderr).toContain("ci.yml:5:14: warning: Left out: The runner 'windows-latest' is unsupported");
    expect(end.exitCode).toBe(6);
  });

  it("without --skip-unsupported nothing of such a workflow is started", async () => {
    const end = await hearth(FILE, ["run", "--provider", "host"]);
    expect(end.stderr).toContain("ci.yml:5:14: unsupported: The runner 'windows-latest' is unsupported");
    expect(end.stderr).toContain("hearth.yml:6:50: warning: The secret KEY has no value: HEARTH_SECRET_KEY is not set");
    expect(end.stdout).toBe("");
    expect(end.exitCode).toBe(3);
  });

  it("cannot choose the host for a run that was not given to it", async () => {
    const file = "runs-on:\n  ubuntu-latest: { provider: host }\n  windows-latest: { unsupported: no }\n";
    const end = await hearth(file, ["plan", "--skip-unsupported"], { HEARTH_PROVIDER: "" });
    expect(end.stdout).toContain("a file of the repository cannot choose provider host");
    expect(end.stdout).toContain("The runner 'windows-latest' is unsupported: no (hearth.yml:3:3)");
    expect(end.stdout).toContain("2 jobs left out as unsupported");
    expect(end.exitCode).toBe(6);
  });

  it("ends the command when it cannot be meant, with every fault", async () => {
    const end = await hearth("runs_on: {}\nvars: { A: [] }\nnetwork: open\n", ["run", "--provider", "host"]);
    expect(end.stderr).toContain("hearth.yml:1:1: error: There is no key 'runs_on' here; allowed are: runs-on,");
    expect(end.stderr).toContain("hearth.yml:2:12: error: Expected a text (vars.A)");
    expect(end.stderr).toContain("hearth.yml:3:10: error: Expected a mapping (network)");
    expect(end.exitCode).toBe(2);
  });
});
