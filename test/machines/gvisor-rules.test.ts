/**
 * Rules of translation doing what they say in a gVisor machine: the registries they need are reached through the machine's network
 * policy, and no other host. Where this host cannot reach a registry, the job's step must say so, and the test prints that.
 */
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sandbox } from "../run-hearth.ts";

interface RuleJob {
  readonly hosts: readonly string[];
  /** Steps as YAML; the last prints a line that begins with `PROOF`. */
  readonly steps: readonly unknown[];
  readonly proof: RegExp;
}

const JOBS: Readonly<Record<string, RuleJob>> = {
  uv: {
    hosts: ["pypi.org", "files.pythonhosted.org"],
    steps: [
      { id: "uv", uses: "astral-sh/setup-uv@v5", with: { version: "0.5.x", "activate-environment": true } },
      { run: 'echo "PROOF $(uv --version) ${{ steps.uv.outputs.uv-version }} $(basename "$VIRTUAL_ENV")"' },
    ],
    proof: /PROOF uv (?<version>0\.5\.\d+) \k<version> \.venv/u,
  },
  bun: {
    hosts: ["registry.npmjs.org"],
    steps: [
      { id: "bun", uses: "oven-sh/setup-bun@v2", with: { "bun-version": "1.2.x" } },
      { run: "echo \"PROOF $(bun -e 'console.log(6 * 7)') ${{ steps.bun.outputs.bun-version }}\"" },
    ],
    proof: /PROOF 42 1\.2\.\d+/u,
  },
  deno: {
    hosts: ["registry.npmjs.org"],
    steps: [
      { uses: "denoland/setup-deno@v2", with: { "deno-version": "v2.x" } },
      { run: "echo \"PROOF $(deno eval 'console.log(6 * 7)')\"" },
    ],
    proof: /PROOF 42/u,
  },
  pnpm: {
    hosts: ["registry.npmjs.org"],
    steps: [
      { run: 'echo \'{ "name": "x", "packageManager": "pnpm@9.15.0" }\' > package.json' },
      { id: "pnpm", uses: "pnpm/action-setup@v4" },
      { run: 'echo "PROOF $(pnpm --version) ${{ steps.pnpm.outputs.bin_dest }}"' },
    ],
    proof: /PROOF 9\.15\.0 \/home\/runner\/setup-pnpm\/bin/u,
  },
  rust: {
    hosts: ["static.rust-lang.org"],
    steps: [
      { id: "rust", uses: "dtolnay/rust-toolchain@stable" },
      { uses: "Swatinem/rust-cache@v2" },
      { uses: "codecov/codecov-action@v5", with: { files: "a.xml" } },
      { run: 'cargo init -q --name x . && echo "PROOF $(cargo run -q) ${{ steps.rust.outputs.name }}"' },
    ],
    proof: /PROOF Hello, world! stable/u,
  },
  java: {
    hosts: ["deb.debian.org"],
    steps: [
      { id: "java", uses: "actions/setup-java@v4", with: { "java-version": 17, distribution: "temurin" } },
      { run: 'echo "PROOF $("$JAVA_HOME/bin/java" -version 2>&1 | head -n 1) ${{ steps.java.outputs.distribution }}"' },
    ],
    proof: /PROOF openjdk version "17\..* debian/u,
  },
  mold: {
    hosts: ["deb.debian.org"],
    steps: [{ uses: "rui314/setup-mold@v1" }, { run: 'echo "PROOF $(ld --version)"' }],
    proof: /PROOF mold \d+\.\d+/u,
  },
  ruby: {
    hosts: ["deb.debian.org"],
    steps: [
      { uses: "ruby/setup-ruby@v1", with: { "ruby-version": "3.1" } },
      { run: "echo \"PROOF $(ruby -e 'print 6 * 7')\"" },
    ],
    proof: /PROOF 42/u,
  },
};

describe("rules in gVisor", () => {
  it.each(Object.entries(JOBS))(
    "%s does what the action does",
    { timeout: 600_000 },
    async (name, { hosts, steps, proof }) => {
      await using place = await sandbox();
      const lacking = await unreachable(hosts);
      const seen = await runSteps(place, steps, hosts);
      if (lacking !== undefined) process.stdout.write(`${name}: not proven, this host cannot reach ${lacking}\n`);
      // Then its step must fail, and say what it needs.
      expect(seen.log).toMatch(lacking === undefined ? proof : /##\[error\].*needs/u);
      expect(seen.exitCode).toBe(lacking === undefined ? 0 : 1);
      expect(seen.log).toContain("translated by rule ");
    },
  );

  it("a rule says which host it needs where the machine may not reach it", { timeout: 300_000 }, async () => {
    await using place = await sandbox();
    const { exitCode, log } = await runSteps(place, [{ uses: "hashicorp/setup-terraform@v3" }], []);
    expect(exitCode).toBe(1);
    expect(log).toMatch(/##\[error\]setup-terraform: cannot fetch .* it needs the host releases\.hashicorp\.com/u);
  });

  it("a version that the machine cannot have is an error, not another version", { timeout: 300_000 }, async () => {
    await using place = await sandbox();
    const step = { uses: "denoland/setup-deno@v2", with: { "deno-version": "v1.x" } };
    const { exitCode, log } = await runSteps(place, [step], []);
    expect(exitCode).toBe(1);
    expect(log).toMatch(/##\[error\]setup-deno: the npm registry has no Deno 1\.x/u);
  });
});

async function runSteps(
  place: Awaited<ReturnType<typeof sandbox>>,
  steps: readonly unknown[],
  hosts: readonly string[],
): Promise<{ readonly exitCode: number | null; readonly log: string }> {
  const project = join(place.directory, "project");
  await mkdir(join(project, ".github", "workflows"), { recursive: true });
  execFileSync("git", ["init", "-q", "-b", "main", project]);
  const workflow = { on: "push", jobs: { job: { "runs-on": "ubuntu-latest", steps } } };
  await writeFile(join(project, ".github", "workflows", "ci.yml"), JSON.stringify(workflow));
  // No server of actions: what stands for them is what is tested.
  const env = { GITHUB_SERVER_URL: "http://127.0.0.1:9" };
  const flags = hosts.flatMap((host) => ["--allow-host", host]);
  const end = await place.run(["run", "--provider", "gvisor", ...flags], { cwd: project, env });
  const log = (await place.run(["logs"], { cwd: project })).stdout;
  return { exitCode: end.exitCode, log: log === "" ? end.stdout + end.stderr : log };
}

/** The first that cannot be reached. */
async function unreachable(hosts: readonly string[]): Promise<string | undefined> {
  for (const host of hosts) {
    try {
      execFileSync("curl", ["-sS", "-o", "/dev/null", "--max-time", "20", "-I", `https://${host}/`], { stdio: "pipe" });
    } catch {
      try {
        execFileSync("curl", ["-sS", "-o", "/dev/null", "--max-time", "20", "-I", `http://${host}/`], {
          stdio: "pipe",
        });
      } catch {
        return host;
      }
    }
  }
  return undefined;
}
