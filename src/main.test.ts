import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import manifest from "../package.json" with { type: "json" };

const main = join(import.meta.dirname, "main.ts");

function hearth(...argv: string[]) {
  return spawnSync(process.execPath, [main, ...argv], { encoding: "utf8" });
}

it("prints help and version with exit 0", () => {
  expect(hearth("--version")).toMatchObject({ status: 0, stdout: `${manifest.version}\n`, stderr: "" });
  expect(hearth("--help")).toMatchObject({ status: 0, stderr: "" });
});

it("exits with 2 for what it does not know", () => {
  expect(hearth("rnu")).toMatchObject({ status: 2, stdout: "" });
});

it("reads settings and state only when a command needs them", () => {
  const state = mkdtempSync(join(tmpdir(), "hearth-main-"));
  try {
    const listed = hearth("runs", "--state", state);
    expect(listed).toMatchObject({ status: 0, stdout: "", stderr: "No runs yet: `hearth run` makes one.\n" });
    const environment = { ...process.env, MAX_CONCURRENT_WORKFLOWS: "many" };
    const bad = spawnSync(process.execPath, [main, "runs"], { encoding: "utf8", env: environment });
    expect(bad.status).toBe(2);
    expect(bad.stderr).toContain('Cannot use $MAX_CONCURRENT_WORKFLOWS "many": expected a number');
  } finally {
    rmSync(state, { recursive: true });
  }
});

it("does not mind a reader that has seen enough", () => {
  const script = '"$@" --help | head -c 1 >&2; exit "${PIPESTATUS[0]}"';
  const piped = spawnSync("bash", ["-c", script, "bash", process.execPath, main], { encoding: "utf8" });
  expect(piped).toMatchObject({ status: 0, stderr: "U" });
});
