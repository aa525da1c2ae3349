/** Actions from a mirror and the rules that stand for them, beside each other in gVisor machines. */
import { describe, expect, it } from "vitest";
import { sandbox } from "../run-hearth.ts";
import { verifyProject } from "../verify-project.ts";

describe("hearth translate verify in gVisor", () => {
  it("finds the rule that does what the action does, and the one that does not", { timeout: 300_000 }, async () => {
    await using place = await sandbox();
    const { project: cwd, flags, env } = await verifyProject(place);
    const args = ["translate", "verify", "--provider", "gvisor", "--json", ...flags];
    const { exitCode, stdout, stderr } = await place.run(args, { cwd, env });
    expect(stderr).toBe("");
    const lines: readonly { action: string; verdict: string; differences?: { of: string; name: string }[] }[] =
      JSON.parse(stdout);
    expect(lines.map(({ action, verdict }) => `${action} ${verdict}`)).toEqual([
      "Swatinem/rust-cache@v2 differs",
      "codecov/codecov-action@v4 same",
      "codecov/codecov-action@v4 not_compared",
      "octo/nowhere@v1 not_compared",
      "rui314/setup-mold@v1 not_compared",
    ]);
    expect(lines[0]?.differences?.map(({ of, name }) => `${of} ${name}`)).toEqual([
      "output cache-hit",
      "variable CARGO_INCREMENTAL",
      "variable RESTORED",
      "path PATH",
      "file keep.txt",
      "file target/cached",
    ]);
    expect(exitCode).toBe(1);
  });
});
