/**
 * Reads what a repository holds at a commit, whatever is checked out: names become commits, paths become text. Only objects that
 * are there are read; nothing is fetched.
 */
import { git, splitNul } from "./git.ts";
import type { GitCall } from "./git.ts";

/** A working tree's root as `cwd`, or a bare repository through `bareRepository`. */
export type GitPlace = Pick<GitCall, "cwd" | "env">;

/** `too large` says that it is there and was not read. */
export type FileContent =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "too large" }
  | { readonly kind: "missing" };

/** Git looks into a bare repository only when it is named, since one inside a working tree may be somebody's trap. */
export function bareRepository(directory: string): GitPlace {
  return { cwd: directory, env: { GIT_DIR: directory } };
}

/** The commit that the first of these names means which there is; an annotated tag means the commit it stands for. */
export async function findCommit(place: GitPlace, names: readonly string[]): Promise<string | undefined> {
  const input = names.map((name) => `${name}^{commit}\n`).join("");
  const answers = await git(["cat-file", "--batch-check=%(objecttype) %(objectname)"], { ...place, input });
  return /^commit (?<sha>[0-9a-f]+)$/m.exec(answers.toString())?.groups?.["sha"];
}

/** A commit by its own id: 40 digits that name a tag or nothing give undefined. */
export async function findCommitById(place: GitPlace, sha: string): Promise<string | undefined> {
  const id = sha.toLowerCase();
  return (await findCommit(place, [id])) === id ? id : undefined;
}

/** `path` is relative to the root, `/` between its parts, and taken literally. */
export async function readFileAtCommit(
  place: GitPlace,
  commit: string,
  path: string,
  maxBytes: number,
): Promise<FileContent> {
  const blob = await findBlob(place, commit, path);
  if (blob === undefined) return { kind: "missing" };
  const size = await git(["cat-file", "-s", blob], place);
  if (Number(size.toString()) > maxBytes) return { kind: "too large" };
  return { kind: "text", text: (await git(["cat-file", "blob", blob], place)).toString("utf8") };
}

/** The first of these files that there is, links followed as far as they stay inside; `path` is the one that was asked for. */
export async function readFirstFile(
  place: GitPlace,
  commit: string,
  paths: readonly string[],
  maxBytes: number,
): Promise<{ readonly path: string; readonly content: FileContent } | undefined> {
  const input = paths.map((path) => `${commit}:${path}\n`).join("");
  const format = "--batch-check=%(objecttype) %(objectname) %(objectsize)";
  // One answer for each: what is not there, or leads nowhere, may take two lines, none of which begins with `blob`.
  const answers = await git(["cat-file", "--follow-symlinks", format], { ...place, input });
  const found = [];
  for (const [index, answer] of splitAnswers(answers.toString()).entries()) {
    const blob = /^blob (?<id>[0-9a-f]+) (?<size>\d+)$/.exec(answer)?.groups;
    if (blob !== undefined) found.push({ path: paths[index] ?? "", id: blob["id"] ?? "", size: Number(blob["size"]) });
  }
  const [first] = found;
  if (first === undefined) return undefined;
  if (first.size > maxBytes) return { path: first.path, content: { kind: "too large" } };
  const text = (await git(["cat-file", "blob", first.id], place)).toString("utf8");
  return { path: first.path, content: { kind: "text", text } };
}

/** `symlink <size>`, `dangling <size>`, `loop <size>` and `notdir <size>` are followed by a line with the name in question. */
function splitAnswers(text: string): readonly string[] {
  const answers: string[] = [];
  const lines = text.split("\n");
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? "";
    answers.push(line);
    if (/^(?:symlink|dangling|loop|notdir) \d+$/.test(line)) index += 1;
  }
  return answers;
}

/** The id of a regular file's content; undefined for what is not there, and for directories, links and submodules. */
export async function findBlob(place: GitPlace, commit: string, path: string): Promise<string | undefined> {
  const listed = splitNul(await git(["ls-tree", "-z", "--full-tree", commit, "--", path], place));
  return listed.map((entry) => /^100\d{3} blob (?<id>[0-9a-f]+)\t/.exec(entry)?.groups?.["id"]).find(Boolean);
}
