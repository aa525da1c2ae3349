/**
 * What happened, whoever told us: argv or a verified delivery becomes an `Event`, and everything after it reads only this.
 * Source: ACTIONS-CONTRACT §7.2.
 */
import type { Value } from "../expression/template.ts";

export interface Event {
  /** GitHub's name: `push`, `pull_request`, `workflow_dispatch`. */
  readonly name: string;
  /** The webhook's body: what `github.event` shows. */
  readonly payload: { readonly [key: string]: Value };
  /** The commit the run is for, 40 hex digits. */
  readonly sha: string;
  /** Fully formed: `refs/heads/main`, `refs/pull/7/merge`, `refs/tags/v1`. */
  readonly ref: string;
  /** Pull requests only, else empty. */
  readonly baseRef: string;
  readonly headRef: string;
  readonly actor: string;
  readonly repository: { readonly owner: string; readonly name: string; readonly defaultBranch: string };
  /** Paths that the event changed, for path filters; undefined when they cannot be known, and then path filters let it pass. */
  readonly changedFiles: readonly string[] | undefined;
  /** Of the head commit, for `[skip ci]`; empty when unknown. */
  readonly headCommitMessage: string;
}
