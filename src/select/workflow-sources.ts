/**
 * Where called workflows are looked for: the working tree as it is now, the run's own repository at a ref, the bare repositories
 * that the operator keeps (`--mirror`), the server, what `hearth actions fetch` kept. In this order; the first that knows the ref is
 * believed, also when it says that there is no such file.
 */
import { join } from "node:path";
import type { FileContent } from "../git/file-at-commit.ts";
import { findRemoteCommit, readRemoteFile, remoteUrl } from "../git/remote-cache.ts";
import type { Remote } from "../git/network-git.ts";
import type { Repository } from "../git/repository.ts";
import { EngineError } from "../lib/engine-error.ts";
import { readFileWithin } from "../lib/read-file-within.ts";
import { Semaphore } from "../lib/semaphore.ts";
import type { RemoteTree, WorkflowSources } from "./called-workflows.ts";
import { MAX_WORKFLOW_BYTES } from "./read-files.ts";
import { isMissing } from "./directory-entry.ts";
import { adviceFor, orReason, placesOnHost } from "./repository-places.ts";
import type { Place } from "./repository-places.ts";
import { keptOnHost } from "./action-places.ts";
import { ServerContact } from "./server-contact.ts";
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
/** For a commit without its files. */
const ANSWER_WITHIN_MS = 20_000;

export function createWorkflowSources({ repository, mirrorDir, remote, signal }: SourceSettings): WorkflowSources {
  const fetches = new Semaphore(MAX_FETCHES);
  const places: readonly WorkflowPlace[] = [
    ...placesOnHost(repository, mirrorDir).map(workflowsOf),
    server(remote, fetches, signal),
    workflowsOf(keptOnHost(remote)),
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
type WorkflowPlace = (reference: RemoteReference) => Promise<RemoteTree | string | undefined>;

function workflowsOf(place: Place): WorkflowPlace {
  return async (reference) => {
    const tree = await place(reference);
    return typeof tree === "object" ? { ...tree, read: (path) => tree.readFile(path, MAX_WORKFLOW_BYTES) } : tree;
  };
}

function server(remote: Remote, fetches: Semaphore, signal: AbortSignal): WorkflowPlace {
  const contact = new ServerContact(remote.serverUrl, ANSWER_WITHIN_MS);
  return async (reference) => {
    const url = remoteUrl(remote, reference);
    return orReason(url, async () => {
      const ask = (soon: AbortSignal) => findRemoteCommit(remote, reference, reference.ref, soon);
      const commit = await inTurn(fetches, () => contact.ask(ask, signal));
      if (commit === undefined) return `${url} has no branch, tag or commit ${reference.ref}`;
      const { owner, name, ref } = reference;
      return {
        from: { repository: `${owner}/${name}`, ref, sha: commit },
        read(path) {
          const request = { commit, path, maxBytes: MAX_WORKFLOW_BYTES };
          return inTurn(fetches, () => readRemoteFile(remote, reference, request, signal));
        },
      };
    });
  };
}

async function inTurn<T>(turns: Semaphore, work: () => Promise<T>): Promise<T> {
  using _ = await turns.acquire();
  return work();
}

async function readWorkingTree(root: string, path: string): Promise<FileContent> {
  try {
    return { kind: "text", text: readFileWithin(join(root, path), MAX_WORKFLOW_BYTES, root).toString("utf8") };
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    if (isMissing(error)) return { kind: "missing" };
    throw new EngineError("BAD_USAGE", `${path} cannot be read: ${error.message}`, { cause: error });
  }
}
