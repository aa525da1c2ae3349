/**
 * The `steps` context: steps to which the author gave an id and whose turn has passed, skipped ones too.
 * Source: ACTIONS-CONTRACT §1.4.
 */
import type { ObjectValue } from "../expression/ordered-object.ts";
import type { JobResult } from "./job-result.ts";
import { mappingOf } from "./mapping.ts";

export interface FinishedStep {
  readonly id: string;
  readonly idGiven: boolean;
  /** Before and after `continue-on-error`. */
  readonly outcome: JobResult;
  readonly conclusion: JobResult;
  readonly outputs: { readonly [name: string]: string };
}

export function stepsContext(steps: readonly FinishedStep[]): ObjectValue {
  return mappingOf(
    steps
      .filter((step) => step.idGiven)
      .map(({ id, outcome, conclusion, outputs }) => [
        id,
        mappingOf([
          ["outputs", mappingOf(Object.entries(outputs))],
          ["outcome", outcome],
          ["conclusion", conclusion],
        ]),
      ]),
  );
}
