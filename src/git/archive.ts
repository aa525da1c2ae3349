/**
 * A commit's files as `git archive` gives them: what the tree's attributes say is `export-ignore` is left out, `export-subst` is
 * filled in, submodules are empty directories, and what LFS keeps elsewhere stays a pointer. Actions come from GitHub in the same
 * way. Source: git-archive(1), ACTIONS-CONTRACT §4.1.
 */
import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { PassThrough } from "node:stream";
import { EngineError } from "../lib/engine-error.ts";
import type { GitPlace } from "./file-at-commit.ts";
import { filtersOf, withoutFilters } from "./git.ts";

/** A tar stream; fails when git does. Destroying it ends git. The commit must be there with all its files. */
export async function archiveCommit(place: GitPlace, commit: string): Promise<Readable> {
  // Attributes name filters (`filter=lfs`), and the repository's configuration says what programs these are.
  const filters = withoutFilters(await filtersOf(place));
  const child = spawn("git", [...SETTINGS, ...filters, "archive", "--format=tar", commit], {
    cwd: place.cwd,
    env: { PATH: process.env["PATH"], TMPDIR: process.env["TMPDIR"], ...ENVIRONMENT, ...place.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = new PassThrough();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    if (stderr.length < MAX_STDERR_CHARACTERS) stderr += chunk;
  });
  const fail = (reason: string, cause?: unknown) =>
    output.destroy(new EngineError("GIT_FAILED", `Cannot archive ${commit} of ${place.cwd}: ${reason}`, { cause }));
  child.once("error", (cause) => fail("git cannot be started", cause));
  child.once("close", (code) => {
    if (code === 0) output.end();
    else fail(stderr.trim() || `exit code ${code}`);
  });
  output.once("close", () => child.kill("SIGKILL"));
  child.stdout.pipe(output, { end: false });
  return output;
}

const MAX_STDERR_CHARACTERS = 4096;

const SETTINGS = [
  "--no-pager",
  ...["core.hooksPath=/dev/null", "core.fsmonitor=false", "core.attributesFile=/dev/null"].flatMap((one) => [
    "-c",
    one,
  ]),
];

const ENVIRONMENT = {
  HOME: "/nonexistent",
  LC_ALL: "C",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_ATTR_NOSYSTEM: "1",
  GIT_NO_REPLACE_OBJECTS: "1",
  // A partial clone's missing objects would be fetched by whatever transport its configuration names.
  GIT_ALLOW_PROTOCOL: "none",
};
