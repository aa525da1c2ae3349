/**
 * Tells when files of a working tree change: what git ignores, and `.git` itself, is neither watched nor told. One watch for
 * each directory instead of Node's recursive one, which on Linux also watches every file, those of `node_modules` included.
 * Reads the tree and git's rules, writes nothing.
 */
import { watch } from "node:fs";
import type { Dirent, FSWatcher } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import { git, splitNul } from "./git.ts";

export interface TreeWatch extends Disposable {
  /** How many directories are watched now. */
  readonly size: () => number;
}

export interface TreeWatchOptions {
  /** Absolute, without symbolic links. */
  readonly root: string;
  /** Whether git's rules apply. */
  readonly isGit: boolean;
  /** How long nothing must happen before changes are told: an editor writes a file in several steps. */
  readonly quietMs: number;
  /** Paths relative to the root, sorted. */
  readonly onChange: (paths: readonly string[]) => void;
  /** The tree can no longer be watched whole: too many directories for the host, or git fails. */
  readonly onError: (error: unknown) => void;
}

/** Resolves when everything is watched. Throws WATCH_FAILED where the host allows no more watches. */
export async function watchWorkingTree(options: TreeWatchOptions): Promise<TreeWatch> {
  const { root, quietMs, onChange, onError } = options;
  const watchers = new Map<string, FSWatcher>();
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let telling = Promise.resolve();
  let closed = false;

  function note(path: string): void {
    if (closed || isGitsOwn(path)) return;
    changed.add(path);
    clearTimeout(timer);
    timer = setTimeout(() => {
      telling = telling.then(tell).catch((error: unknown) => {
        if (!closed) onError(error);
      });
    }, quietMs);
  }

  async function tell(): Promise<void> {
    const noted = [...changed];
    changed.clear();
    const standing = await Promise.all(noted.map((path) => topmostGone(root, path)));
    const paths = await withoutIgnored(options, [...new Set(standing)]);
    for (const path of paths) await follow(path);
    if (!closed && paths.length > 0) onChange(paths.toSorted());
  }

  /** New directories are watched with all they hold, those that are gone no longer. */
  async function follow(path: string): Promise<void> {
    const kind = await kindOf(join(root, path));
    if (kind === "directory") return watchBelow(path);
    // What was ignored may not be any more; what is ignored now is told no more, watched or not.
    if (kind === "file" && path.endsWith(".gitignore")) return watchBelow("");
    if (kind !== undefined) return;
    for (const watched of watchers.keys()) {
      if (watched === path || watched.startsWith(`${path}/`)) unwatch(watched);
    }
  }

  /** Level by level, so that git is asked once for each level rather than once for each directory. */
  async function watchBelow(top: string): Promise<void> {
    for (let level = [top]; level.length > 0;) {
      for (const directory of level) watchDirectory(directory);
      const children = await Promise.all(level.map(directoriesIn));
      level = await withoutIgnored(options, children.flat());
    }
  }

  /** None of a directory with a `.git` of its own: a submodule, whose files are no business of this repository. */
  async function directoriesIn(directory: string): Promise<string[]> {
    const entries: Dirent[] = await readdir(join(root, directory), { withFileTypes: true }).catch(unlessGone);
    if (directory !== "" && entries.some(({ name }) => name === ".git")) {
      unwatch(directory);
      return [];
    }
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(directory, entry.name));
  }

  function unwatch(directory: string): void {
    watchers.get(directory)?.close();
    watchers.delete(directory);
  }

  function watchDirectory(directory: string): void {
    if (closed || watchers.has(directory)) return;
    try {
      const watcher = watch(join(root, directory), (_, name) =>
        note(name === null ? directory : join(directory, name)),
      );
      // A directory that was removed: its parent tells.
      watcher.on("error", () => unwatch(directory));
      watchers.set(directory, watcher);
    } catch (error) {
      if (isGone(error)) return;
      throw cannotWatch(join(root, directory), error);
    }
  }

  function close(): void {
    closed = true;
    clearTimeout(timer);
    for (const watcher of watchers.values()) watcher.close();
    watchers.clear();
  }

  try {
    await watchBelow("");
  } catch (error) {
    close();
    throw error;
  }
  return { size: () => watchers.size, [Symbol.dispose]: close };
}

/** Symbolic links are not looked behind. */
async function withoutIgnored({ root, isGit }: TreeWatchOptions, paths: readonly string[]): Promise<string[]> {
  const own = paths.filter((path) => !isGitsOwn(path));
  if (!isGit) return own;
  const ignored = new Set(
    await ignoredOf(
      root,
      own.filter((path) => path !== ""),
    ),
  );
  return own.filter((path) => !ignored.has(path));
}

/** `check-ignore` leaves out what is tracked, whatever the rules say. What it does not take is told rather than missed. */
async function ignoredOf(root: string, paths: readonly string[]): Promise<readonly string[]> {
  if (paths.length === 0) return [];
  const input = paths.map((path) => `./${path}\0`).join("");
  const call = { cwd: root, input, answers: [1], takesLiteralPathspecs: false } as const;
  try {
    return splitNul(await git(["check-ignore", "-z", "--stdin"], call)).map((path) => path.slice("./".length));
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    if (paths.length === 1) return [];
    // It stops at the first path that it does not take, such as one behind a new symbolic link, and does not say which.
    const middle = Math.ceil(paths.length / 2);
    const halves = [paths.slice(0, middle), paths.slice(middle)].map((half) => ignoredOf(root, half));
    return (await Promise.all(halves)).flat();
  }
}

/** A directory that was removed is told once, and not with everything it held. */
async function topmostGone(root: string, path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    const parent = dirname(at);
    if (parent === "." || (await kindOf(join(root, parent))) !== undefined) return at;
  }
}

/** Also of submodules: `.git` there is a file. */
function isGitsOwn(path: string): boolean {
  return path === ".git" || path.startsWith(".git/") || /\/\.git(?:\/|$)/.test(path);
}

async function kindOf(path: string): Promise<"directory" | "file" | undefined> {
  try {
    return (await lstat(path)).isDirectory() ? "directory" : "file";
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function unlessGone(error: unknown): never[] {
  if (isGone(error)) return [];
  throw error;
}

/** A directory may be removed, or be made unreadable, between being named and being looked at. */
function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && ["ENOENT", "ENOTDIR", "EACCES"].includes(String(error.code));
}

function cannotWatch(path: string, cause: unknown): EngineError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new EngineError("WATCH_FAILED", `Cannot watch ${path}: ${reason}`, {
    cause,
    hint: "Ignore large directories in .gitignore, or raise fs.inotify.max_user_watches.",
  });
}
