/** Real repositories in a directory of their own, for tests: made by git, hashed byte by byte. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface TestDirectory extends Disposable {
  readonly path: string;
}

export function createTestDirectory(): TestDirectory {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "hearth-git-")));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Runs git as a person would, with an identity and without that person's configuration. Returns what it printed, trimmed. */
export function git(cwd: string, ...args: string[]): string {
  return execFileSync("git", args, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 15_000,
    env: GIT_ENVIRONMENT,
  }).trim();
}

export const GIT_ENVIRONMENT = {
  PATH: process.env["PATH"],
  HOME: "/nonexistent",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "Ada",
  GIT_AUTHOR_EMAIL: "ada@example.com",
  GIT_COMMITTER_NAME: "Ada",
  GIT_COMMITTER_EMAIL: "ada@example.com",
  GIT_AUTHOR_DATE: "1700000000 +0100",
  GIT_COMMITTER_DATE: "1700000000 +0100",
  GIT_ALLOW_PROTOCOL: "file:http",
};

export function writeFiles(root: string, files: { readonly [path: string]: string }): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

export function createRepository(root: string, files: { readonly [path: string]: string }): string {
  mkdirSync(root, { recursive: true });
  git(root, "init", "-q", "-b", "main");
  return Object.keys(files).length === 0 ? "" : commit(root, files);
}

export function commit(root: string, files: { readonly [path: string]: string }, message = "change"): string {
  writeFiles(root, files);
  git(root, "add", "-A");
  git(root, "commit", "-q", "--allow-empty", "-m", message);
  return git(root, "rev-parse", "HEAD");
}

/**
 * Every path below with its mode, content and times: equal before and after means that not a byte was touched. Of objects
 * and shared indexes the times are left out: git renews them when it reads them, so that no prune takes them away.
 */
export function fingerprint(root: string): string {
  const hash = createHash("sha256");
  const visit = (path: Buffer): void => {
    const stat = lstatSync(path);
    const times = path.includes("/objects/") || path.includes("/sharedindex.") ? "" : `${stat.mtimeMs} ${stat.ctimeMs}`;
    hash.update(path).update(`\0${stat.mode} ${stat.size} ${times}\0`);
    if (stat.isFile()) hash.update(readFileSync(path));
    if (stat.isSymbolicLink()) hash.update(readlinkSync(path));
    if (!stat.isDirectory()) return;
    for (const name of readdirSync(path, { encoding: "buffer" }).toSorted((a, b) => a.compare(b))) {
      visit(Buffer.concat([path, Buffer.from("/"), name]));
    }
  };
  visit(Buffer.from(root));
  return hash.digest("hex");
}
