/** What `hearth lock` and `hearth actions` do, each a single pass over the references of workflow files. */
import { finished } from "node:stream/promises";
import { faultOfPolicy } from "../action/policy.ts";
import { repositoryKey } from "../action/reference.ts";
import type { RemoteReference } from "../action/reference.ts";
import { findCachedCommit } from "../git/action-cache.ts";
import { faultOfKept, listKeptActions, removeKeptActions } from "../git/kept-actions.ts";
import type { KeptAction } from "../git/kept-actions.ts";
import type { Remote } from "../git/network-git.ts";
import { describeRepository } from "../git/repository.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { EngineError } from "../lib/engine-error.ts";
import { ActionLibrary } from "./action-library.ts";
import { actionPlaces, actionServer } from "./action-places.ts";
import type { PlaceSettings } from "./action-places.ts";
import { collectReferences, readWorkflowSet } from "./collect-references.ts";
import type { CollectedReference, WorkflowSet } from "./collect-references.ts";
import { guardedSources } from "./guarded-sources.ts";
import { readHearthFile } from "./hearth-file.ts";
import { hashOf } from "./lock.ts";
import type { Lock, LockEntry } from "./lock.ts";
import { readLock, writeLock } from "./lock-file.ts";
import { nameOf, ReferencePins } from "./reference-pins.ts";
import type { Place } from "./repository-places.ts";
import { gitTree } from "./repository-tree.ts";
import { HEARTH_FILE } from "./settings-node.ts";
import { createWorkflowSources } from "./workflow-sources.ts";

export interface ManageEnvironment {
  readonly workingDirectory: string;
  readonly mirrorDir: string | undefined;
  readonly remote: Remote;
}

export interface ManageRequest {
  /** As for a run. */
  readonly path: string | undefined;
  readonly onProgress: (line: string) => void;
}

/** `before` and `after` undefined: it was not there, it is no longer. */
export interface ReferenceChange {
  /** `owner/name@ref`. */
  readonly reference: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

export interface ManageReport {
  readonly repository: string;
  readonly changes: readonly ReferenceChange[];
  /** Each with what to do. Where there is one, no lock file is written. */
  readonly failures: readonly { readonly reference: string; readonly reason: string }[];
  readonly warnings: readonly Diagnostic[];
}

/** Writes what every reference means now. The lock file changes whole or not at all. */
export async function lockReferences(request: ManageRequest, environment: ManageEnvironment): Promise<ManageReport> {
  const set = await readWorkflowSet(request.path, environment.workingDirectory);
  const { root } = set.repository;
  const before: Lock = readLock(root) ?? { uses: {} };
  const { references, warnings } = await collect(set, request, environment, "all");
  const failures = failuresOf(references);
  // Translations are hearth translate's.
  const after: Lock = { ...before, uses: entriesOf(references) };
  const changes = changesBetween(commitsOf(before), commitsOf(after));
  if (failures.length === 0) await writeLock(root, after);
  return { repository: root, changes, failures, warnings };
}

/** Asks the server what every reference means now, and keeps that on this host. */
export async function fetchReferences(request: ManageRequest, environment: ManageEnvironment): Promise<ManageReport> {
  const { remote, workingDirectory } = environment;
  const set = await readWorkflowSet(request.path, workingDirectory);
  const before = new Map<string, string>();
  const noting = async (reference: Parameters<Place>[0]): Promise<void> => {
    const sha = await findCachedCommit(remote, reference, reference.ref);
    if (sha !== undefined) before.set(nameOf(reference), sha);
  };
  const here = { ...environment, mirrorDir: undefined };
  const { references, warnings } = await collect(set, request, here, "only", noting);
  await keepCalled(references, request, remote);
  const after = Object.entries(entriesOf(references)).map(([name, { commit }]) => [name, commit] as const);
  const failures = failuresOf(references);
  const changes = changesBetween(before, new Map(after)).filter((change) => change.after !== undefined);
  return { repository: set.repository.root, changes, failures, warnings };
}

export interface VerifiedAction {
  readonly action: KeptAction;
  /** Undefined: it is whole. */
  readonly fault: string | undefined;
}

/** Reads every file of everything that is kept; then tells what the lock file around the working directory pins and is not kept. */
export async function verifyActions({ workingDirectory, remote }: ManageEnvironment): Promise<{
  readonly verified: readonly VerifiedAction[];
  readonly lacking: readonly string[];
}> {
  const kept = await listKeptActions(remote.directory);
  const verified: VerifiedAction[] = [];
  for (const action of kept) {
    verified.push({ action, fault: (await faultOfKept(action)) ?? (await faultOfArchive(action)) });
  }
  const lock = readLock((await describeRepository(workingDirectory)).root);
  const lacking: string[] = [];
  for (const [reference, { commit }] of Object.entries(lock?.uses ?? {})) {
    const [owner = "", name = ""] = reference.split("@", 1)[0]?.split("/") ?? [];
    if ((await findCachedCommit(remote, { owner, name }, commit)) === undefined) lacking.push(reference);
  }
  return { verified, lacking };
}

/** Removes what was last used before then; returns it. */
export async function pruneActions({ remote }: ManageEnvironment, before: Date): Promise<readonly KeptAction[]> {
  const old = (await listKeptActions(remote.directory)).filter(({ usedAt }) => usedAt < before);
  await removeKeptActions(old, AbortSignal.timeout(PRUNE_WITHIN_MS));
  return old;
}

/** A called workflow alone is fetched without the other files of its commit, and with none of its names. */
async function keepCalled(
  references: readonly CollectedReference[],
  { onProgress }: ManageRequest,
  remote: Remote,
): Promise<void> {
  const keep = actionServer(remote, onProgress);
  for (const { kind, reference } of references) {
    if (kind === "found" && reference.path.startsWith(".github/workflows")) await keep(reference);
  }
}

const PRUNE_WITHIN_MS = 10 * 60_000;
const CALLED_WITHIN_MS = 10 * 60_000;

async function collect(
  set: WorkflowSet,
  { onProgress }: ManageRequest,
  { mirrorDir, remote }: ManageEnvironment,
  fetch: PlaceSettings["fetch"],
  onLook: (reference: Parameters<Place>[0]) => Promise<void> = () => Promise.resolve(),
): Promise<{ readonly references: readonly CollectedReference[]; readonly warnings: readonly Diagnostic[] }> {
  const { repository } = set;
  const { actions } = await readHearthFile(repository.root);
  const policy = (reference: RemoteReference) => faultOfPolicy(reference, actions, HEARTH_FILE);
  const pins = new ReferencePins(undefined, { locked: false, own: repository });
  const noticed = (find: Place): Place => {
    return async (reference) => {
      await onLook(reference);
      return find(reference);
    };
  };
  const found = actionPlaces({ repository, mirrorDir, remote, fetch, progress: onProgress });
  const places = found.map(({ find, kind }) => ({ find: noticed(find), kind }));
  const signal = AbortSignal.timeout(CALLED_WITHIN_MS);
  const sources = guardedSources(createWorkflowSources({ repository, mirrorDir, remote, signal }), policy, pins);
  const library = new ActionLibrary(places, pins);
  const collected = await collectReferences(set, { library, sources, policy });
  // The run's own repository moves with every commit; what it holds is reviewed in it.
  return { references: collected.filter(({ reference }) => !pins.isOwn(reference)), warnings: pins.warnings };
}

function failuresOf(references: readonly CollectedReference[]): ManageReport["failures"] {
  const failures = references.flatMap((one) =>
    one.kind === "missing" ? [[nameOf(one.reference), one.reason] as const] : [],
  );
  return [...new Map(failures)].map(([reference, reason]) => ({ reference, reason }));
}

/** The spelling that comes first stands for all that mean the same. */
function entriesOf(references: readonly CollectedReference[]): Lock["uses"] {
  const spellings = new Map<string, string>();
  const entries: { [reference: string]: LockEntry } = {};
  for (const one of references) {
    if (one.kind === "missing") continue;
    const key = repositoryKey(one.reference);
    const spelling = spellings.get(key) ?? nameOf(one.reference);
    spellings.set(key, spelling);
    const files = { ...entries[spelling]?.files, ...(one.file && { [one.file.path]: hashOf(one.file.text) }) };
    entries[spelling] = { commit: one.sha, files };
  }
  return entries;
}

function commitsOf({ uses }: Lock): ReadonlyMap<string, string> {
  return new Map(Object.entries(uses).map(([reference, { commit }]) => [reference, commit]));
}

function changesBetween(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly ReferenceChange[] {
  const references = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  return references.map((reference) => {
    return { reference, before: before.get(reference), after: after.get(reference) };
  });
}

async function faultOfArchive({ place, repository, sha }: KeptAction): Promise<string | undefined> {
  const [owner = "", name = ""] = repository.split("/");
  try {
    const tar = await gitTree(place, { owner, name, ref: sha }, sha).archive();
    await finished(tar.resume());
    return undefined;
  } catch (error) {
    if (error instanceof EngineError) return error.message;
    throw error;
  }
}
