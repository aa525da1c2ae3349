/** How jobs end, as those that wait for them see it. */
import type { FinishedLeg } from "../context/needs-context.ts";
import type { EngineError } from "../lib/engine-error.ts";
import type { Conclusion } from "../store/run-event.ts";

export interface InstanceEnd {
  readonly conclusion: Conclusion;
  readonly reason: string | undefined;
  readonly outputs: Readonly<Record<string, string>>;
  /** Set when its machine was lost. */
  readonly lost: EngineError | undefined;
  /** The job's `continue-on-error` was true: its failure does not count against the run. */
  readonly tolerated: boolean;
  /** It was left out because it cannot run here. */
  readonly unsupported?: true;
}

/** A job that has ended, as those that need it see it: one leg for each cell. */
export interface JobRecord {
  readonly id: string;
  readonly legs: readonly FinishedLeg[];
}

export function endedAs(conclusion: Conclusion, reason: string | undefined): InstanceEnd {
  return { conclusion, reason, outputs: {}, lost: undefined, tolerated: false };
}

/** What the jobs of a workflow came to. */
export interface JobsEnd {
  /** Of every job and every cell. */
  readonly ends: readonly InstanceEnd[];
  /** By job, in the order in which they ended. */
  readonly records: readonly JobRecord[];
}
