/**
 * Where called workflows are looked for: the working tree as it is now, the run's own repository at a ref, the bare repositories
 * that the operator keeps (`--mirror`), the server. In this order; the first that knows the ref is believed, also when it says
 * that there is no such file.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { bareRepository, findCommit, findCommitById, readFileAtCommit } from "../git/file-at-commit.ts";
import type { FileContent, GitPlace } from "../git/file-at-commit.ts";
import { findRemoteCommit, isCommitId, readRemoteFile, refNames, remoteUrl } from "../git/remote-cache.ts";
import type { Remote } from "../git/remote-cache.ts";
import type { Repository } from "../git/repository.ts";
import { EngineError } from "../lib/engine-error.ts";
import { readFileWithin } from "../lib/read-file-within.ts";
import { Semaphore } from "../lib/semaphore.ts";
import { reasonOf } from "./called-workflows.ts";
import type { WorkflowSources, WorkflowTree } from "./called-workflows.ts";
import { MAX_WORKFLOW_BYTES } from "./read-files.ts";
import type { RemoteReference } from "./workflow-reference.ts";

export interface SourceSettings {
  readonly repository: Repository;
  /** Bare repositories `<owner>/<name>.git`. */
  readonly mirrorDir: string | undefined;
  readonly remote: Remote;
  /** Ends what is being fetched. */
  readonly signal: AbortSignal;
}

/** Fetches at the same time; each is a few processes. */
const MAX_FETCHES = 4;

export function createWorkflowSources({ repository, mirrorDir, remote, signal }: SourceSettings): WorkflowSources {
  const fetches = new Semaphore(MAX_FETCHES);
  const places: readonly Place[] = [
    ownRepository(repository),
    ...(mirrorDir === undefined ? [] : [mirror(mirrorDir)]),
    server(remote, fetches, signal),
  ];
  return {
    workingTree: { from: undefined, read: (path) => readWorkingTree(repository.root, path) },
    async open(reference) {
      const tried: string[] = [];
      for (const place of places) {
        const tree = await place(reference);
        if (typeof tree === "object") return tree;
        if (tree !== undefined) tried.push(tree);
      }
      return `${tried.join("; ")}. ${adviceFor(reference)}`;
    },
  };
}

/** A tree, why there is none, or undefined when the reference is none of its business. */
type Place = (reference: RemoteReference) => Promise<WorkflowTree | string | undefined>;

/** A reference to the run's own repository means a commit of it, not the working tree. */
function ownRepository({ root, owner, name, isGit }: Repository): Place {
  return async (reference) => {
    const isOwn = isGit && isSameName(reference.owner, owner) && isSameName(reference.name, name);
    if (!isOwn) return undefined;
    const { ref } = reference;
    const others = ref.startsWith("refs/") ? [] : [`refs/remotes/origin/${ref}`];
    return localTree({ cwd: root }, reference, others, "this repository");
  };
}

function mirror(directory: string): Place {
  return async (reference) => {
    const bare = await findMirror(directory, reference);
    if (bare === undefined) return `no ${reference.owner}/${reference.name}.git in ${directory}`;
    return localTree(bareRepository(bare), reference, [], bare);
  };
}

async function localTree(
  place: GitPlace,
  reference: RemoteReference,
  otherNames: readonly string[],
  label: string,
): Promise<WorkflowTree | string> {
  const { ref } = reference;
  return orReason(label, async () => {
    const sha = isCommitId(ref)
      ? await findCommitById(place, ref)
      : await findCommit(place, [...refNames(ref), ...otherNames]);
    if (sha === undefined) return `${label} has no branch, tag or commit ${ref}`;
    return treeOf(reference, sha, (path) => readFileAtCommit(place, sha, path, MAX_WORKFLOW_BYTES));
  });
}

function server(remote: Remote, fetches: Semaphore, signal: AbortSignal): Place {
  return async (reference) => {
    const url = remoteUrl(remote, reference);
    return orReason(url, async () => {
      const commit = await inTurn(fetches, () => findRemoteCommit(remote, reference, reference.ref, signal));
      if (commit === undefined) return `${url} has no branch, tag or commit ${reference.ref}`;
      return treeOf(reference, commit, async (path) => {
        const request = { commit, path, maxBytes: MAX_WORKFLOW_BYTES };
        return inTurn(fetches, () => readRemoteFile(remote, reference, request, signal));
      });
    });
  };
}

async function inTurn<T>(turns: Semaphore, work: () => Promise<T>): Promise<T> {
  using _ = await turns.acquire();
  return work();
}

function treeOf(
  { owner, name, ref }: RemoteReference,
  sha: string,
  read: (path: string) => Promise<FileContent>,
): WorkflowTree {
  return { from: { repository: `${owner}/${name}`, ref, sha }, read };
}

async function orReason<T>(label: string, work: () => Promise<T>): Promise<T | string> {
  try {
    return await work();
  } catch (error) {
    return `${label}: ${reasonOf(error)}`;
  }
}

function adviceFor({ owner, name, ref }: RemoteReference): string {
  const isShort = /^[0-9a-f]{7,39}$/i.test(ref);
  return [
    ...(isShort ? ["A commit is named by all 40 digits of its id."] : []),
    `A private repository needs a token in GITHUB_TOKEN; without a network give a directory with ${owner}/${name}.git by --mirror DIR.`,
  ].join(" ");
}

async function readWorkingTree(root: string, path: string): Promise<FileContent> {
  try {
    return { kind: "text", text: readFileWithin(join(root, path), MAX_WORKFLOW_BYTES).toString("utf8") };
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    if (isMissing(error)) return { kind: "missing" };
    throw new EngineError("BAD_USAGE", `${path} cannot be read: ${error.message}`, { cause: error });
  }
}

/** As it is written, else in whatever case the directories are: names on GitHub have none. */
async function findMirror(directory: string, { owner, name }: RemoteReference): Promise<string | undefined> {
  const below = await entryOf(directory, owner);
  return below === undefined ? undefined : entryOf(below, `${name}.git`);
}

async function entryOf(directory: string, wanted: string): Promise<string | undefined> {
  try {
    const names = await readdir(directory);
    const found = names.find((name) => name === wanted) ?? names.find((name) => isSameName(name, wanted));
    return found === undefined ? undefined : join(directory, found);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isSameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}
