/** What a function of the API facade works with: the request, who asks, the repository that the path names, the run's state. */
import type { ApiGit } from "./api-git.ts";
import type { ApiRequest, JsonObject } from "./api-message.ts";
import { notFound } from "./api-message.ts";
import type { ApiRun } from "./api-run.ts";
import type { ApiState } from "./api-state.ts";
import type { Artifact } from "./artifact-store.ts";
import type { CacheEntry } from "./cache-store.ts";
import type { Caller } from "./job-tokens.ts";
import type { JobClaims } from "./services.ts";

export interface ApiCall {
  readonly request: ApiRequest;
  /** By the names in the route's pattern. */
  readonly params: Readonly<Record<string, string>>;
  readonly claims: JobClaims;
  readonly caller: Caller;
  readonly kept: ApiKept;
  /** The one that the path names, else the run's own. */
  readonly repository: ApiRepository;
  readonly world: ApiWorld;
}

export interface ApiRepository {
  readonly owner: string;
  readonly name: string;
  /** The run's own; others are mirrors that can only be read. */
  readonly isOwn: boolean;
  readonly defaultBranch: string;
  readonly git: ApiGit;
  /** What the run has made of refs through the API: an object's id, null for a deleted one. Full names; tags peeled. */
  readonly refs: ReadonlyMap<string, string | null>;
}

/** The same for all machines of a run. */
export interface ApiWorld {
  readonly state: ApiState;
  readonly run: ApiRun;
  /** Body of the run's event. */
  readonly payload: JsonObject;
  /** Wall clock, in ms. */
  readonly now: () => number;
}

/** Artifacts and caches of this host, which the API lists and removes; those of the job's repository alone. */
export interface ApiKept {
  /** Oldest first, of all runs. */
  artifacts(caller: Caller): Promise<readonly Artifact[]>;
  artifactUrl(caller: Caller, artifact: Artifact): string;
  removeArtifact(artifact: Artifact): Promise<void>;
  caches(caller: Caller): Promise<readonly CacheEntry[]>;
  removeCaches(ids: readonly number[]): Promise<void>;
}

/** A part of the path that the route's pattern names. */
export function param({ params }: Pick<ApiCall, "params">, name: string): string {
  const value = params[name];
  if (value === undefined) throw new Error(`The route has no {${name}}`);
  return value;
}

/** Throws 404 for what is no number. */
export function numberParam(call: Pick<ApiCall, "params">, name: string): number {
  const text = param(call, name);
  const number = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(number)) throw notFound();
  return number;
}

/** UTC without milliseconds, as GitHub writes it. */
export function timeOf(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
