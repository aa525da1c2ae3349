/** What attacks with random workflows share: aborts at a moment of the run, and what its record must be whatever happened. */
import { expect } from "vitest";
import type { YamlRun, YamlRunOptions } from "./run-yaml.ts";

/** The number of an event, from 1; never when undefined. */
export interface AbortMoments {
  readonly cancelAt?: number | undefined;
  readonly killAt?: number | undefined;
}

export function abortAt({ cancelAt, killAt }: AbortMoments): NonNullable<YamlRunOptions["onEvent"]> {
  let count = 0;
  return (_event, abort) => {
    count += 1;
    if (count === cancelAt) abort.cancel();
    if (count === killAt) abort.kill();
  };
}

/** Every declared step has one fate, and the record has an end. */
export function expectWholeRecord({ outcome, events }: YamlRun): void {
  expect(outcome.error?.code).not.toBe("FATES_DO_NOT_ADD_UP");
  const { declared, ran, skipped, notReached, cancelled } = outcome.counts;
  expect(ran + skipped + notReached + cancelled).toBe(declared);
  expect(events.at(-1)?.type).toBe("run_completed");
}
