/**
 * An exact commit of a mirror in a directory of its own, for one planning or one run: a repository whose objects are the mirror's, and
 * whose refs and remote are as a person's clone has them. Its files are written by git with no hooks, filters, submodules or transports.
 * Source: SECURITY-RELIABILITY A18.
 */
import { chmod, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bareRepository } from "../git/file-at-commit.ts";
import { git } from "../git/git.ts";
import { EngineError } from "../lib/engine-error.ts";
import { claimDirectory, removeOwned } from "../lib/owned-directory.ts";
import { defaultBranchOf, isRefName, requireCommit } from "./mirror.ts";
import type { Mirror } from "./mirror.ts";

export interface CheckoutWish {
  readonly sha: string;
  /** Full name; empty for none. HEAD is on it where it is a branch. */
  readonly ref: string;
  /** `https://github.com`: what `origin` says. */
  readonly serverUrl: string;
}

/** Disposal removes it. */
export interface Checkout extends AsyncDisposable {
  /** Absolute: top of the working tree. */
  readonly directory: string;
}

/** Made in `scratch`, which the caller sweeps (`sweepAbandoned`). Throws GIT_FAILED, or BAD_USAGE for a name that is none; leaves nothing then. */
export async function checkOut(mirror: Mirror, wish: CheckoutWish, scratch: string): Promise<Checkout> {
  await requireCommit(mirror, wish.sha);
  // It is written into git's files as it is.
  if (wish.ref !== "" && !isRefName(wish.ref)) throw new EngineError("BAD_USAGE", "Cannot check out: no such ref name");
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  const owned = await mkdtemp(join(scratch, CHECKOUT_PREFIX));
  const remove = () => removeTree(owned);
  try {
    claimDirectory(owned);
    const directory = join(owned, mirror.name);
    await writeRepository(directory, mirror, wish);
    const env = { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", GIT_ATTR_NOSYSTEM: "1" };
    await git(["reset", "--hard", "--quiet", "--no-recurse-submodules"], { cwd: directory, env });
    return { directory, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

const CHECKOUT_PREFIX = "checkout-";

async function writeRepository(
  directory: string,
  mirror: Mirror,
  { sha, ref, serverUrl }: CheckoutWish,
): Promise<void> {
  const [defaultBranch, listed] = await Promise.all([
    defaultBranchOf(mirror),
    git(
      ["for-each-ref", "--format=%(objectname) %(refname)", "--", "refs/heads/", "refs/tags/"],
      bareRepository(mirror.directory),
    ),
  ]);
  const refs = new Map<string, string>();
  for (const line of listed.toString().split("\n").filter(Boolean)) {
    const [object = "", name = ""] = line.split(" ");
    refs.set(name.replace(/^refs\/heads\//u, "refs/remotes/origin/"), object);
  }
  const tip = refs.get(`refs/remotes/origin/${defaultBranch}`);
  if (tip !== undefined) refs.set(`refs/heads/${defaultBranch}`, tip);
  if (ref !== "") refs.set(ref, sha);
  const isBranch = ref.startsWith("refs/heads/");
  const files = {
    HEAD: isBranch ? `ref: ${ref}\n` : `${sha}\n`,
    config: configOf(mirror, serverUrl),
    "packed-refs": [...refs]
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, object]) => `${object} ${name}\n`)
      .join(""),
    "refs/remotes/origin/HEAD": `ref: refs/remotes/origin/${defaultBranch}\n`,
    "objects/info/alternates": `${join(mirror.directory, "objects")}\n`,
  };
  const gitDir = join(directory, ".git");
  for (const below of ["refs/heads", "refs/remotes/origin", "objects/info"]) {
    await mkdir(join(gitDir, below), { recursive: true });
  }
  await Promise.all(Object.entries(files).map(([name, content]) => writeFile(join(gitDir, name), content)));
}

/** Names are those of `isRepositoryName`: nothing in them ends a line or a value. */
function configOf({ owner, name }: Mirror, serverUrl: string): string {
  return [
    "[core]",
    "\trepositoryformatversion = 0",
    "\tbare = false",
    "\tprotectHFS = true",
    "\tprotectNTFS = true",
    '[remote "origin"]',
    `\turl = ${serverUrl}/${owner}/${name}.git`,
    "\tfetch = +refs/heads/*:refs/remotes/origin/*",
    "",
  ].join("\n");
}

async function removeTree(directory: string): Promise<void> {
  await removeOwned(directory).catch(async () => {
    // A step's own files may be ones that their owner cannot write.
    await chmod(directory, 0o700).catch(() => undefined);
    await removeOwned(directory);
  });
}
