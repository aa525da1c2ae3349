/**
 * What changed between two commits, file by file, as GitHub's API lists it. Patches are left out where they would be too large
 * together, as GitHub leaves them out. Source: GitHub REST "List pull requests files", "Compare two commits".
 */
import type { ApiRepository } from "./api-call.ts";
import { ApiProblem } from "./api-message.ts";
import type { JsonObject } from "./api-message.ts";
import { apiOf, htmlOf } from "./api-shape.ts";

export interface ChangedFile {
  /** Of the file's content after the change; of the content before it for a removed one. */
  readonly sha: string;
  readonly filename: string;
  readonly previous: string | undefined;
  readonly status: "added" | "modified" | "removed" | "renamed" | "copied" | "changed";
  readonly additions: number;
  readonly deletions: number;
  readonly patch: string | undefined;
}

/** GitHub lists no more, in pages. */
const MAX_FILES = 3_000;
const MAX_PATCH_BYTES = 8 << 20;

/** `from` undefined: everything in `to` is new. Ids of commits. */
export async function changedFiles(
  repository: ApiRepository,
  from: string | undefined,
  to: string,
): Promise<readonly ChangedFile[]> {
  const ends = from === undefined ? ["--root", to] : [from, to];
  const fixed = ["diff-tree", "-r", "-M", "--no-commit-id", "--no-ext-diff", "--no-textconv", "--no-color"];
  const [listing, patches] = await Promise.all([
    repository.git.read([...fixed, "-z", "--no-abbrev", "--raw", "--numstat", ...ends, "--"]),
    readPatches(repository, [...fixed, "-p", "--full-index", ...ends, "--"]),
  ]);
  let at = 0;
  return parseListing(listing.toString())
    .slice(0, MAX_FILES)
    .map((file) => {
      const patch = patches[at];
      // A file that becomes a link is removed and added: two patches, of which GitHub shows none.
      const isTypeChange = file.status === "changed";
      at += isTypeChange ? 2 : 1;
      return { ...file, patch: isTypeChange ? undefined : patch };
    });
}

/** In git's own form, for who asks for `diff` or `patch`. */
export function diffText(repository: ApiRepository, from: string | undefined, to: string): Promise<Buffer> {
  const ends = from === undefined ? ["--root", to] : [from, to];
  const fixed = ["diff-tree", "-r", "-M", "-p", "--no-commit-id", "--no-ext-diff", "--no-textconv", "--no-color"];
  return repository.git.read([...fixed, ...ends, "--"]);
}

export function patchText(repository: ApiRepository, from: string | undefined, to: string): Promise<Buffer> {
  const range = from === undefined ? ["-1", to] : [`${from}..${to}`];
  return repository.git.read(["format-patch", "--stdout", "--no-ext-diff", "--no-textconv", ...range, "--"]);
}

export function totalsOf(files: readonly ChangedFile[]): { additions: number; deletions: number; total: number } {
  const additions = files.reduce((sum, file) => sum + file.additions, 0);
  const deletions = files.reduce((sum, file) => sum + file.deletions, 0);
  return { additions, deletions, total: additions + deletions };
}

export function fileShape(file: ChangedFile, repository: ApiRepository, commit: string): JsonObject {
  const { sha, filename, status, additions, deletions, previous, patch } = file;
  const path = filename.split("/").map(encodeURIComponent).join("/");
  return {
    sha,
    filename,
    status,
    additions,
    deletions,
    changes: additions + deletions,
    blob_url: `${htmlOf(repository)}/blob/${commit}/${path}`,
    raw_url: `${htmlOf(repository)}/raw/${commit}/${path}`,
    contents_url: `${apiOf(repository)}/contents/${path}?ref=${commit}`,
    patch,
    previous_filename: previous,
  };
}

/** One for each file, in the listing's order, without the header; undefined where git says the files are binary. */
async function readPatches(
  repository: ApiRepository,
  args: readonly string[],
): Promise<readonly (string | undefined)[]> {
  let text: string;
  try {
    text = (await repository.git.read(args, { maxBytes: MAX_PATCH_BYTES })).toString();
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 403) return [];
    throw error;
  }
  // A line of a patch begins with a space, a sign or `@`: only a header begins with this.
  return text
    .split(/^diff --git .*\n/m)
    .slice(1)
    .map((part) => {
      const start = part.search(/^@@ /m);
      return start === -1 ? undefined : part.slice(start).replace(/\n$/, "");
    });
}

type Listed = Omit<ChangedFile, "patch">;

/** `--raw` of all files, then `--numstat` of all files, in the same order. */
function parseListing(text: string): readonly Listed[] {
  const words = text.split("\0");
  const files: { -readonly [key in keyof Listed]: Listed[key] }[] = [];
  let counted = 0;
  for (let at = 0; at < words.length - 1;) {
    const word = words[at] ?? "";
    const raw = /^:\d+ \d+ (?<before>[0-9a-f]+) (?<after>[0-9a-f]+) (?<letter>[A-Z])\d*$/.exec(word)?.groups;
    if (raw !== undefined) {
      const moved = raw["letter"] === "R" || raw["letter"] === "C";
      files.push({
        sha: (raw["letter"] === "D" ? raw["before"] : raw["after"]) ?? "",
        filename: words[at + (moved ? 2 : 1)] ?? "",
        previous: moved ? words[at + 1] : undefined,
        status: STATUS[raw["letter"] ?? ""] ?? "changed",
        additions: 0,
        deletions: 0,
      });
      at += moved ? 3 : 2;
      continue;
    }
    const [additions = "", deletions = "", path = ""] = word.split("\t");
    const file = files[counted];
    // `-` for binary files.
    if (file !== undefined)
      Object.assign(file, { additions: Number(additions) || 0, deletions: Number(deletions) || 0 });
    counted += 1;
    at += path === "" ? 3 : 1;
  }
  return files;
}

const STATUS: Readonly<Record<string, ChangedFile["status"]>> = {
  A: "added",
  M: "modified",
  D: "removed",
  R: "renamed",
  C: "copied",
  T: "changed",
};
