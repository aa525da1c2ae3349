/** `hearth translate verify` as a person would have it, with machines of the host. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sandbox } from "../run-hearth.ts";
import { verifyProject } from "../verify-project.ts";

describe("hearth translate verify", () => {
  it("says of each step that uses an action what its translation does otherwise", async () => {
    await using place = await sandbox();
    const { project: cwd, flags, env } = await verifyProject(place);
    const before = execFileSync("git", ["status", "--porcelain"], { cwd }).toString();
    const args = ["translate", "verify", "--provider", "host", ...flags];
    const { exitCode, stdout } = await place.run([...args, "--json"], { cwd, env });
    const lines: readonly { action: string; places: string[]; verdict: string; why?: string }[] = JSON.parse(stdout);
    expect(lines).toMatchObject([
      {
        action: "Swatinem/rust-cache@v2",
        by: "translated by rule swatinem/rust-cache",
        verdict: "differs",
        differences: [
          { of: "output", name: "cache-hit", real: "true", translated: "false" },
          { of: "variable", name: "CARGO_INCREMENTAL", translated: "0" },
          { of: "variable", name: "RESTORED", real: "$GITHUB_WORKSPACE/target" },
          { of: "path", name: "PATH", real: "$HOME/of-the-cache/bin", translated: "" },
          { of: "file", name: "keep.txt", real: null },
          { of: "file", name: "target/cached", real: expect.stringMatching(/^6\d\d sha256:[0-9a-f]{64}$/u) },
        ],
      },
      { action: "codecov/codecov-action@v4", places: ["ci.yml: build, step 2"], verdict: "same" },
      {
        action: "codecov/codecov-action@v4",
        verdict: "not_compared",
        why: "its inputs read matrix, which only the job has",
      },
      { action: "octo/nowhere@v1", by: null, verdict: "not_compared" },
      {
        action: "rui314/setup-mold@v1",
        verdict: "not_compared",
        why: expect.stringContaining("the real action cannot run"),
      },
    ]);
    expect(lines[3]?.why).toMatch(/^there is no translation: /u);
    expect(exitCode).toBe(1);
    // The user's files are as they were, what links lead to as well.
    expect(execFileSync("git", ["status", "--porcelain"], { cwd }).toString()).toBe(before);
    expect(readdirSync(join(place.directory, "theirs"))).toEqual(["precious"]);
  });

  it("looks at one step, one action or one workflow; what is the same is success, and nothing compared is not", async () => {
    await using place = await sandbox();
    const { project: cwd, flags, env } = await verifyProject(place);
    const verify = (wanted: string) =>
      place.run(["translate", "verify", wanted, "--provider", "host", ...flags], { cwd, env });
    const step = await verify("coverage");
    expect(step.stdout).toMatch(
      /^codecov\/codecov-action@v4 {2}ci\.yml: build, step 2 .*\n {2}same\n1 the same, 0 differ/u,
    );
    expect(step.exitCode).toBe(0);
    expect(await verify("rui314/setup-mold")).toMatchObject({ exitCode: 4 });
    expect(await verify("nothing/there@v1")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("Nothing to verify"),
    });
    const workflow = await verify(".github/workflows/ci.yml");
    expect(workflow.stdout).toContain("1 the same, 1 differ, 3 not compared");
    expect(
      readdirSync(place.temporary, { recursive: true, withFileTypes: true }).filter((one) => one.isFile()),
    ).toEqual([]);
  });
});
