/**
 * Which caches a job sees and which it may make: a cache belongs to a ref, and a job sees those of its own ref, of the branch its
 * pull request goes to, and of the default branch, looked through in this order. Pure.
 * Source: ACTIONS-CONTRACT §5.3; GitHub changelog 2026-06-26, "Read-only Actions cache for untrusted triggers";
 * SECURITY-RELIABILITY A26.
 */
import type { JobClaims } from "./services.ts";

export interface CacheScopes {
  readonly readable: readonly string[];
  /** Undefined: none. */
  readonly writable: string | undefined;
}

/** Events that only somebody who may write to the repository causes: no other writes caches of the default branch. */
const MAY_WRITE_DEFAULT_BRANCH: ReadonlySet<string> = new Set([
  "push",
  "schedule",
  "workflow_dispatch",
  "repository_dispatch",
  "delete",
  "registry_package",
  "page_build",
]);

export function cacheScopes({ ref, baseRef, repository, event, trusted }: JobClaims): CacheScopes {
  const defaultBranch = `refs/heads/${repository.defaultBranch}`;
  const base = baseRef === "" ? [] : [`refs/heads/${baseRef}`];
  const mayWrite = trusted
    ? ref !== defaultBranch || MAY_WRITE_DEFAULT_BRANCH.has(event)
    : /^refs\/pull\/\d+\/merge$/.test(ref);
  return { readable: [...new Set([ref, ...base, defaultBranch])], writable: mayWrite ? ref : undefined };
}
