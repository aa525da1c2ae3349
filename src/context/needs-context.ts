/**
 * The `needs` context: direct dependencies only, each with one result and one set of outputs, however many legs its matrix had.
 * Source: ACTIONS-CONTRACT §1.4 and §3.4.
 */
import type { ObjectValue } from "../expression/ordered-object.ts";
import type { JobResult } from "./job-result.ts";
import { mappingOf } from "./mapping.ts";

export interface NeededJob {
  readonly id: string;
  /** In the order they finished; a job without a matrix has one, and one that was skipped as a whole may have none. */
  readonly legs: readonly FinishedLeg[];
}

export interface FinishedLeg {
  readonly conclusion: JobResult;
  /** The job's `continue-on-error` was true: its failure does not count. */
  readonly tolerated: boolean;
  readonly outputs: { readonly [name: string]: string };
  /** It was left out because it cannot run here, which GitHub does not know. */
  readonly unsupported?: true;
}

export function needsContext(jobs: readonly NeededJob[]): ObjectValue {
  return mappingOf(
    jobs.map(
      ({ id, legs }) =>
        [
          id,
          mappingOf([
            ["result", resultOf(legs)],
            ["outputs", outputsOf(legs)],
          ]),
        ] as const,
    ),
  );
}

/**
 * A failed leg that is not tolerated makes the job fail, else a cancelled one makes it cancelled; skipped only when all are, or
 * when one was left out: what needs the whole matrix must not go on as if that cell had been well.
 */
export function resultOf(legs: readonly FinishedLeg[]): JobResult {
  const results = legs.map((leg) => (leg.tolerated && leg.conclusion === "failure" ? "success" : leg.conclusion));
  if (results.includes("failure")) return "failure";
  if (results.includes("cancelled")) return "cancelled";
  if (legs.some(({ unsupported }) => unsupported === true)) return "skipped";
  return results.every((result) => result === "skipped") ? "skipped" : "success";
}

/** Of several legs that set an output the one that finished last wins. */
function outputsOf(legs: readonly FinishedLeg[]): ObjectValue {
  return mappingOf(legs.flatMap((leg) => Object.entries(leg.outputs)));
}
