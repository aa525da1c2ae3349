/**
 * Repositories kept as tarballs: `<owner>_<name>/<ref>.tar.gz`, where the ref is a commit's 40 digits (as GitHub's runner keeps them,
 * ACTIONS_RUNNER_ACTION_ARCHIVE_CACHE), or a tag or branch. Both `git archive` and GitHub write the commit into the archive.
 * The whole archive is read and checked before anything of it is used. Source: ACTIONS-CONTRACT §4.1, git-get-tar-commit-id(1).
 */
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { MANIFEST_FILES, MAX_MANIFEST_BYTES } from "../action/manifest.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { FileContent } from "../git/file-at-commit.ts";
import { isCommitId } from "../git/remote-cache.ts";
import { checkedArchive, checkedEntries } from "./checked-archive.ts";
import { MAX_WORKFLOW_BYTES } from "./read-files.ts";
import { entryOf } from "./directory-entry.ts";
import type { RepositoryTree } from "./repository-tree.ts";
import type { RemoteReference } from "./workflow-reference.ts";

/** Throws ACTION_UNAVAILABLE for a tarball that cannot be used. A sentence says why there is none. */
export async function findTarball(directory: string, reference: RemoteReference): Promise<RepositoryTree | string> {
  const { owner, name, ref } = reference;
  const repository = `${owner}/${name}`;
  const path = await findFile(directory, ref);
  if (path === undefined) return `no ${ref}.tar.gz in ${directory}`;
  const label = `${repository}@${ref} (${path})`;
  const sha = await commitOf(path, ref, label);
  const index = await readIndex(path, label);
  const read = (file: string, maxBytes: number): FileContent => {
    const text = index.texts.get(file);
    if (text === undefined) return index.names.has(file) ? { kind: "too large" } : { kind: "missing" };
    return Buffer.byteLength(text) > maxBytes ? { kind: "too large" } : { kind: "text", text };
  };
  return {
    from: { repository, ref, sha },
    readFile: (file, maxBytes) => Promise.resolve(read(file, maxBytes)),
    async readFirst(files, maxBytes) {
      const first = files.find((file) => index.names.has(file));
      return first === undefined ? undefined : { path: first, content: read(first, maxBytes) };
    },
    archive: async () => checkedArchive({ tar: unpacked(path), directory: index.directory, label }),
    isReachable: () => Promise.resolve(undefined),
  };
}

async function findFile(directory: string, ref: string): Promise<string | undefined> {
  if (isCommitId(ref)) return entryOf(directory, `${ref.toLowerCase()}.tar.gz`);
  let at: string | undefined = directory;
  const parts = `${ref}.tar.gz`.split("/");
  for (const part of parts) at = await exactEntryOf(at, part);
  return at;
}

/** A ref has its case. */
async function exactEntryOf(directory: string | undefined, wanted: string): Promise<string | undefined> {
  const found = await entryOf(directory, wanted);
  return directory !== undefined && found === join(directory, wanted) ? found : undefined;
}

function unpacked(path: string): Readable {
  const file = createReadStream(path);
  const tar = createGunzip();
  file.once("error", (error) => tar.destroy(error));
  tar.once("close", () => file.destroy());
  return file.pipe(tar);
}

/** Where the file's name and the archive's own word differ, neither is believed. */
async function commitOf(path: string, ref: string, label: string): Promise<string> {
  const written = await writtenCommit(path);
  const named = isCommitId(ref) ? ref.toLowerCase() : undefined;
  const fail = (reason: string): EngineError =>
    new EngineError("ACTION_UNAVAILABLE", `Cannot use the archive of ${label}: ${reason}`);
  if (named !== undefined && written !== undefined && named !== written) throw fail(`it is of commit ${written}`);
  const sha = named ?? written;
  if (sha === undefined)
    throw fail("it does not say its commit: make it with `git archive`, or name it after the commit");
  return sha;
}

const BLOCK_BYTES = 512;
const TYPE_OFFSET = 156;

/** The comment of a global header at the beginning. What is no archive is found when all of it is read. */
async function writtenCommit(path: string): Promise<string | undefined> {
  const tar = unpacked(path);
  let head = Buffer.alloc(0);
  try {
    for await (const chunk of tar) {
      const bytes: unknown = chunk;
      if (bytes instanceof Uint8Array) head = Buffer.concat([head, bytes]);
      if (head.length >= 2 * BLOCK_BYTES) break;
    }
  } catch {
    return undefined;
  }
  if (head[TYPE_OFFSET] !== "g".charCodeAt(0)) return undefined;
  const comment = head.subarray(BLOCK_BYTES, 2 * BLOCK_BYTES).toString("latin1");
  return /^\d+ comment=(?<sha>[0-9a-f]{40})\n/.exec(comment)?.groups?.["sha"];
}

interface TarballIndex {
  /** The one around everything, which GitHub's archives have; undefined for none. */
  readonly directory: string | undefined;
  /** Of regular files, without the directory. */
  readonly names: ReadonlySet<string>;
  /** Manifests and workflows, as far as they are small. */
  readonly texts: ReadonlyMap<string, string>;
}

async function readIndex(path: string, label: string): Promise<TarballIndex> {
  const names = new Set<string>();
  const texts = new Map<string, string>();
  const tops = new Set<string>();
  let filesAtTop = 0;
  for await (const { header, body } of checkedEntries({ tar: unpacked(path), directory: undefined, label })) {
    const [top = "", ...below] = header.name.split("/");
    tops.add(top);
    if (below.length === 0) filesAtTop += 1;
    if (header.type === "file") names.add(header.name);
    const isWanted = header.type === "file" && isRead(header.name) && header.size <= maxBytesOf(header.name);
    if (isWanted && texts.size < MAX_TEXTS) texts.set(header.name, (await buffer(body)).toString("utf8"));
    else await body.cancel();
  }
  const [only] = tops;
  const directory = tops.size === 1 && filesAtTop === 0 ? only : undefined;
  const inside = (name: string): string => (directory === undefined ? name : name.slice(directory.length + 1));
  return {
    directory,
    names: new Set([...names].map(inside)),
    texts: new Map([...texts].map(([name, text]) => [inside(name), text])),
  };
}

const MAX_TEXTS = 1_000;
const WORKFLOW = /(?:^|\/)\.github\/workflows[^/]*\/[^/]+\.ya?ml$/u;

function isRead(name: string): boolean {
  const base = name.slice(name.lastIndexOf("/") + 1);
  return MANIFEST_FILES.some((file) => file === base) || WORKFLOW.test(name);
}

function maxBytesOf(name: string): number {
  return WORKFLOW.test(name) ? MAX_WORKFLOW_BYTES : MAX_MANIFEST_BYTES;
}
