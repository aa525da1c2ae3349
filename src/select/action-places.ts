/**
 * Where actions of other repositories are looked for: the run's own repository at a ref, the mirrors that the operator keeps, the
 * commits kept on this host, the server. What was fetched once is not asked for again until somebody says so, so that a run
 * needs no network; a mirror is the operator's own word and stands before that.
 */
import { join } from "node:path";
import { findCachedCommit, keepCommit, noteUse } from "../git/action-cache.ts";
import type { AskedCommit } from "../git/action-cache.ts";
import type { Remote } from "../git/network-git.ts";
import { askForName, isCommitId, isRemoteTip, placeOf, remoteUrl } from "../git/remote-cache.ts";
import type { Repository } from "../git/repository.ts";
import { Semaphore } from "../lib/semaphore.ts";
import { orReason, placesOnHost } from "./repository-places.ts";
import type { Place } from "./repository-places.ts";
import { gitTree } from "./repository-tree.ts";
import type { RepositoryTree } from "./repository-tree.ts";
import { ServerContact } from "./server-contact.ts";
import type { RemoteReference } from "./workflow-reference.ts";

export interface ActionPlace {
  readonly find: Place;
  /** `kept`: what a name means there may be out of date. */
  readonly kind: "local" | "kept" | "server";
}

export interface PlaceSettings {
  /** Undefined: none is looked into. */
  readonly repository: Repository | undefined;
  readonly mirrorDir: string | undefined;
  readonly remote: Remote;
  /**
   * `missing`: the server is asked for what is nowhere else. `never`: it is not asked. `all`: it is asked for everything, and what
   * is kept stands in where it cannot be reached. `only`: nothing stands in.
   */
  readonly fetch: "missing" | "never" | "all" | "only";
  /** Told before something is fetched. */
  readonly progress: (line: string) => void;
}

/** Fetches at the same time; each is a few processes. */
const MAX_FETCHES = 4;
const ANSWER_WITHIN_MS = 10_000;
/** For one repository, as GitHub's runner has it. */
const FETCH_WITHIN_MS = 20 * 60_000;

export function actionPlaces({
  repository,
  mirrorDir,
  remote,
  fetch,
  progress,
}: PlaceSettings): readonly ActionPlace[] {
  const kept: ActionPlace = { find: keptOnHost(remote), kind: "kept" };
  const asked: ActionPlace = { find: actionServer(remote, progress), kind: "server" };
  const remembered: Readonly<Record<PlaceSettings["fetch"], readonly ActionPlace[]>> = {
    missing: [kept, asked],
    never: [kept],
    all: [asked, kept],
    only: [asked],
  };
  return [
    ...placesOnHost(repository, mirrorDir).map((find): ActionPlace => ({ find, kind: "local" })),
    ...remembered[fetch],
  ];
}

/** Commits that were fetched whole. */
export function keptOnHost(remote: Remote): Place {
  return async (reference) => {
    const label = join(remote.directory, new URL(remote.serverUrl).host);
    return orReason(label, async () => {
      const sha = await findCachedCommit(remote, reference, reference.ref);
      return sha === undefined ? undefined : keptTree(remote, reference, sha);
    });
  };
}

function keptTree(remote: Remote, reference: RemoteReference, sha: string): RepositoryTree {
  const place = placeOf(remote, reference);
  const tree = gitTree(place, reference, sha);
  return {
    ...tree,
    async archive() {
      await noteUse(place, sha);
      return tree.archive();
    },
    // Without its history nobody can tell.
    isReachable: () => Promise.resolve(undefined),
  };
}

/** Fetches them whole. */
export function actionServer(remote: Remote, progress: (line: string) => void): Place {
  const fetches = new Semaphore(MAX_FETCHES);
  const contact = new ServerContact(remote.serverUrl, ANSWER_WITHIN_MS);
  return async (reference) => {
    const { owner, name, ref } = reference;
    const url = remoteUrl(remote, reference);
    return orReason(url, async () => {
      using _ = await fetches.acquire();
      const signal = AbortSignal.timeout(FETCH_WITHIN_MS);
      const asked = await contact.ask((soon) => ask(remote, reference, soon), signal);
      if (asked !== undefined) progress(`Fetching ${owner}/${name}@${ref}`);
      const sha = asked && (await keepCommit(remote, reference, asked, signal));
      if (sha === undefined || asked === undefined) return `${url} has no branch, tag or commit ${ref}`;
      return { ...keptTree(remote, reference, sha), isReachable: () => Promise.resolve(asked.isTip) };
    });
  };
}

interface Asked extends AskedCommit {
  readonly isTip: boolean;
}

/** For a commit's id as well, which fetching alone would find: it tells whether the server can be reached, and what a fork hides. */
async function ask(remote: Remote, reference: RemoteReference, signal: AbortSignal): Promise<Asked | undefined> {
  const { ref } = reference;
  if (isCommitId(ref)) {
    const sha = ref.toLowerCase();
    return { sha, name: undefined, isTip: await isRemoteTip(remote, reference, sha, signal) };
  }
  const named = await askForName(remote, reference, ref, signal);
  return named && { ...named, isTip: true };
}
