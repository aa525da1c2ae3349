/**
 * Mirrors grow with each fetch: when one has many packs, or a week has passed since the last time, git packs it anew and drops what neither
 * a name nor a run that can still run needs; one that was not used for long goes. Only while nobody reads from it: of what is held the small
 * packs become one, which drops nothing, and the rest waits for the next time. Killed at any place the mirror is as good as before. Source:
 * git-gc(1), git-repack(1).
 */
import { readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bareRepository, findCommitById } from "../git/file-at-commit.ts";
import { git } from "../git/git.ts";
import { EngineError } from "../lib/engine-error.ts";
import { lockFile } from "../lib/file-lock.ts";
import { runCommand } from "../lib/run-command.ts";
import { KEPT_COMMITS, lockOf } from "./mirror.ts";
import type { Mirror, Mirrors } from "./mirror.ts";

export interface MirrorUpkeep {
  /** As of `MirrorSettings`. */
  readonly directory: string;
  readonly mirrors: Pick<Mirrors, "at" | "holds">;
  /** Commits of runs that can still run, or run again. Names have any case. */
  readonly commitsOf: (repository: string) => readonly string[];
  /** Without a use for so long a mirror goes. */
  readonly ageMs: number;
  /** Wall clock, in ms. */
  readonly now: () => number;
}

/** Each fetch that brings something makes one; git itself takes 50 for many. */
const MANY_PACKS = 50;
const EVERY_MS = 7 * 24 * 3600_000;
const DEADLINE_MS = 3600_000;
/** In the mirror: when it was packed. */
const PACKED_MARK = "hearth-packed";
/** No name of a repository ends so after `.git`. */
const REMOVED = ".removed";

export interface MirrorsTidied {
  readonly packed: number;
  readonly removed: number;
}

/** Throws GIT_FAILED of one that cannot be packed, after all others; safe to do again at any moment. */
export async function tidyMirrors(upkeep: MirrorUpkeep, signal: AbortSignal): Promise<MirrorsTidied> {
  const counts = { packed: 0, removed: 0 };
  const failures: EngineError[] = [];
  for (const [owner, name] of await mirrorsIn(upkeep.directory)) {
    signal.throwIfAborted();
    const mirror = upkeep.mirrors.at({ owner, name });
    try {
      const done = await tidyMirror(upkeep, mirror, signal);
      if (done !== "nothing") counts[done] += 1;
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      failures.push(error);
    }
  }
  const [first] = failures;
  if (first !== undefined) throw first;
  return counts;
}

async function mirrorsIn(directory: string): Promise<readonly (readonly [owner: string, name: string])[]> {
  const found: (readonly [string, string])[] = [];
  for (const owner of await directoriesIn(directory)) {
    for (const name of await directoriesIn(join(directory, owner))) {
      if (name.endsWith(REMOVED)) await rm(join(directory, owner, name), { recursive: true, force: true });
      if (name.endsWith(".git")) found.push([owner, name.slice(0, -".git".length)]);
    }
  }
  return found;
}

async function directoriesIn(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(unlessMissing);
  return (entries ?? []).filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

async function tidyMirror(
  upkeep: MirrorUpkeep,
  mirror: Mirror,
  signal: AbortSignal,
): Promise<keyof MirrorsTidied | "nothing"> {
  const { mirrors, commitsOf, ageMs, now } = upkeep;
  const { directory, owner, name } = mirror;
  const isUnused = async () =>
    now() - ((await modifiedMs(join(directory, "config"))) ?? now()) > ageMs &&
    commitsOf(`${owner}/${name}`).length === 0;
  const isHeld = mirrors.holds.isHeld(directory);
  const isWanted = isHeld ? await hasManyPacks(mirror) : (await isUnused()) || (await isDue(mirror, now()));
  if (!isWanted) return "nothing";
  await using _ = await lockFile(lockOf(mirror), () => undefined, signal);
  // Whoever comes from now on waits for the lock.
  if (mirrors.holds.isHeld(directory)) {
    if (!(await hasManyPacks(mirror))) return "nothing";
    await runBehind(["repack", "--quiet", "-d", "--geometric=2"], mirror, signal);
    return "packed";
  }
  if (await isUnused()) {
    // At once, or half of one would be taken for a mirror after a crash.
    await rename(directory, `${directory}${REMOVED}`);
    await rm(`${directory}${REMOVED}`, { recursive: true, force: true });
    return "removed";
  }
  await keepCommits(mirror, commitsOf(`${owner}/${name}`));
  await runBehind(["gc", "--quiet", "--prune=now"], mirror, signal);
  await writeFile(join(directory, PACKED_MARK), "", { mode: 0o600 });
  return "packed";
}

async function isDue(mirror: Mirror, nowMs: number): Promise<boolean> {
  const packs = await packsOf(mirror);
  if (packs >= MANY_PACKS) return true;
  const packedMs = await modifiedMs(join(mirror.directory, PACKED_MARK));
  return packs > 1 && (packedMs === undefined || nowMs - packedMs > EVERY_MS);
}

async function hasManyPacks(mirror: Mirror): Promise<boolean> {
  return (await packsOf(mirror)) >= MANY_PACKS;
}

async function packsOf({ directory }: Mirror): Promise<number> {
  const names = (await readdir(join(directory, "objects", "pack")).catch(unlessMissing)) ?? [];
  return names.filter((name) => name.endsWith(".pack")).length;
}

/** Exactly these have a name of ours from now on, as far as they are here. */
async function keepCommits(mirror: Mirror, commits: readonly string[]): Promise<void> {
  const place = bareRepository(mirror.directory);
  const wanted = new Set<string>();
  for (const sha of new Set(commits)) if ((await findCommitById(place, sha)) === sha) wanted.add(sha);
  const listed = (await git(["for-each-ref", "--format=%(refname)", "--", KEPT_COMMITS], place)).toString();
  const named = listed.split("\n").flatMap((ref) => (ref === "" ? [] : [ref.slice(KEPT_COMMITS.length)]));
  const lines = [
    ...named.filter((sha) => !wanted.has(sha)).map((sha) => `delete ${KEPT_COMMITS}${sha}\n`),
    ...[...wanted].map((sha) => `update ${KEPT_COMMITS}${sha} ${sha}\n`),
  ];
  if (lines.length > 0) await git(["update-ref", "--stdin"], { ...place, input: lines.join("") });
}

/** Git behind whatever runs: one core, the least of it, bounded memory. */
async function runBehind(
  args: readonly string[],
  { owner, name, directory }: Mirror,
  signal: AbortSignal,
): Promise<void> {
  const settings = ["pack.threads=1", "pack.windowMemory=256m", "core.hooksPath=/dev/null", "gc.packRefs=true"];
  const { code, stderr } = await runCommand(
    ["nice", "-n", "19", "git", ...settings.flatMap((one) => ["-c", one]), ...args],
    {
      cwd: directory,
      env: {
        PATH: process.env["PATH"],
        HOME: "/nonexistent",
        LC_ALL: "C",
        GIT_DIR: directory,
        GIT_CONFIG_GLOBAL: "/dev/null",
        GIT_CONFIG_NOSYSTEM: "1",
      },
      signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
    },
  );
  if (code === 0) return;
  throw new EngineError("GIT_FAILED", `Cannot pack the mirror of ${owner}/${name}: ${stderr.trim().slice(0, 500)}`);
}

async function modifiedMs(path: string): Promise<number | undefined> {
  return (await stat(path).catch(unlessMissing))?.mtimeMs;
}

function unlessMissing(error: unknown): undefined {
  if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return;
  throw error;
}
