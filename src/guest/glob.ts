/**
 * Finds files by the patterns of `hashFiles`, as `@actions/glob` 0.7 does: same patterns, same order, same treatment of links
 * (ACTIONS-CONTRACT §1.5; github.com/actions/toolkit/tree/main/packages/glob). Written again rather than imported because
 * that package prints `::debug::` lines on the process's standard output, takes relative patterns from the process's working
 * directory, and brings an HTTP client along; a test holds the two against each other. POSIX paths only.
 */
import { lstat, readdir, realpath, stat } from "node:fs/promises";
import type { Stats } from "node:fs";
import { dirname, join } from "node:path";
import { Minimatch } from "minimatch";

export interface GlobOptions {
  /** What relative patterns start from. */
  readonly directory: string;
  /** What `~` stands for. */
  readonly home: string;
  readonly followSymbolicLinks: boolean;
}

/** Every match, files and directories, in the order of a depth-first walk. Throws for a pattern that is not allowed. */
export async function* glob(lines: readonly string[], options: GlobOptions): AsyncGenerator<string> {
  const patterns = lines
    .flatMap((line) => line.split("\n"))
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .flatMap((line) => withDescendants(parsePattern(line, options), options));
  const stack: { path: string; level: number }[] = [];
  for (const path of searchPaths(patterns)) {
    if ((await orMissing(lstat(path))) !== undefined) stack.unshift({ path, level: 1 });
  }
  const chain: string[] = [];
  for (let item = stack.pop(); item !== undefined; item = stack.pop()) {
    const kind = match(patterns, item.path);
    const descend = kind.file || kind.directory || patterns.some((one) => !one.negate && partlyMatches(one, item.path));
    if (!descend) continue;
    const stats = await look(item, options.followSymbolicLinks, chain);
    if (stats === undefined) continue;
    if (!stats.isDirectory()) {
      if (kind.file) yield item.path;
      continue;
    }
    if (kind.directory) yield item.path;
    const level = item.level + 1;
    const children = (await readdir(item.path)).map((name) => ({ path: join(item.path, name), level }));
    stack.push(...children.toReversed());
  }
}

interface Pattern {
  readonly negate: boolean;
  /** Added by us to reach what lies below a match. */
  readonly implicit: boolean;
  readonly segments: readonly string[];
  /** Written with a slash at its end: matches directories only. */
  readonly directoriesOnly: boolean;
  /** The part before the first wildcard. */
  readonly searchPath: string;
  readonly matcher: Minimatch;
}

function parsePattern(text: string, options: GlobOptions, implicit = false): Pattern {
  let negate = false;
  let pattern = text.trim();
  while (pattern.startsWith("!")) {
    negate = !negate;
    pattern = pattern.slice(1).trim();
  }
  if (pattern === "") throw new Error("a pattern of hashFiles is empty");
  pattern = rooted(pattern, options).replace(/\/\/+/g, "/");
  const directoriesOnly = pattern.endsWith("/");
  const segments = ["/", ...pattern.split("/").filter((segment) => segment !== "")];
  const literals = segments.map(literalOf);
  const firstGlob = literals.indexOf("");
  const trimmed = directoriesOnly && pattern !== "/" ? pattern.slice(0, -1) : pattern;
  return {
    negate,
    implicit,
    segments,
    directoriesOnly,
    searchPath: join(...literals.slice(0, firstGlob === -1 ? undefined : firstGlob)),
    matcher: new Minimatch(trimmed, { dot: true, nobrace: true, nocomment: true, noext: true, nonegate: true }),
  };
}

function rooted(pattern: string, { directory, home }: GlobOptions): string {
  const segments = pattern.split("/").filter((segment, n) => segment !== "" || n === 0);
  if (segments.some((segment, n) => literalOf(segment) === ".." || (literalOf(segment) === "." && n > 0))) {
    throw new Error(`Invalid pattern '${pattern}'. Relative pathing '.' and '..' is not allowed.`);
  }
  if (pattern === "." || pattern.startsWith("./")) return escapeGlob(directory) + pattern.slice(1);
  if (pattern === "~" || pattern.startsWith("~/")) return escapeGlob(home) + pattern.slice(1);
  return pattern.startsWith("/") ? pattern : `${escapeGlob(directory)}/${pattern}`;
}

/** A pattern also stands for everything below what it matches. */
function withDescendants(pattern: Pattern, options: GlobOptions): Pattern[] {
  if (!pattern.directoriesOnly && pattern.segments.at(-1) === "**") return [pattern];
  const below = `${pattern.negate ? "!" : ""}${join(...pattern.segments, "**")}`;
  return [pattern, parsePattern(below, options, true)];
}

function match(patterns: readonly Pattern[], path: string): { file: boolean; directory: boolean } {
  const kind = { file: false, directory: false };
  for (const pattern of patterns) {
    if (!matches(pattern, path)) continue;
    kind.directory = !pattern.negate;
    if (!pattern.directoriesOnly) kind.file = !pattern.negate;
  }
  return kind;
}

function matches({ segments, implicit, matcher }: Pattern, path: string): boolean {
  // Minimatch says that `/foo/**` matches `/foo/` but not `/foo`.
  const slash = segments.at(-1) === "**" && !implicit && !path.endsWith("/");
  return matcher.match(slash ? `${path}/` : path);
}

/** Whether something below the path may match. */
function partlyMatches({ matcher }: Pattern, path: string): boolean {
  const [set] = matcher.set;
  return path === "/" || (set !== undefined && matcher.matchOne(path.split(/\/+/), set, true));
}

/** Where to start, without those that lie below another. */
function searchPaths(patterns: readonly Pattern[]): string[] {
  const all = new Set(patterns.filter(({ negate }) => !negate).map(({ searchPath }) => searchPath));
  const covered = (path: string): boolean => {
    for (let parent = dirname(path); ; parent = dirname(parent)) {
      if (parent !== path && all.has(parent)) return true;
      if (parent === dirname(parent)) return false;
    }
  };
  return [...all].filter((path) => path === "/" || !covered(path));
}

/** What the path is; undefined for a link that leads nowhere or back to a directory we came from. */
async function look(
  item: { path: string; level: number },
  follow: boolean,
  chain: string[],
): Promise<Stats | undefined> {
  if (!follow) return await lstat(item.path);
  const stats = await orMissing(stat(item.path));
  if (stats?.isDirectory() !== true) return stats;
  const real = await realpath(item.path);
  chain.length = Math.min(chain.length, item.level - 1);
  if (chain.includes(real)) return undefined;
  chain.push(real);
  return stats;
}

/** The segment with its escapes taken out, or "" when it holds a wildcard. */
function literalOf(segment: string): string {
  let literal = "";
  for (let at = 0; at < segment.length; at++) {
    const character = segment.charAt(at);
    if (character === "\\" && at + 1 < segment.length) {
      literal += segment.charAt(++at);
    } else if (character === "*" || character === "?") {
      return "";
    } else if (character === "[") {
      const set = characterSet(segment, at);
      if (set !== undefined && set.content.length > 1) return "";
      literal += set === undefined || set.content === "" ? character : set.content;
      if (set !== undefined && set.content !== "") at = set.end;
    } else {
      literal += character;
    }
  }
  return literal;
}

function characterSet(segment: string, open: number): { content: string; end: number } | undefined {
  let content = "";
  for (let at = open + 1; at < segment.length; at++) {
    const character = segment.charAt(at);
    if (character === "\\" && at + 1 < segment.length) content += segment.charAt(++at);
    else if (character === "]") return { content, end: at };
    else content += character;
  }
  return undefined;
}

function escapeGlob(path: string): string {
  return path
    .replace(/\\/g, "\\\\")
    .replace(/(\[)(?=[^/]+\])/g, "[[]")
    .replace(/\?/g, "[?]")
    .replace(/\*/g, "[*]");
}

async function orMissing<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
