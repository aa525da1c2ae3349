/**
 * `needs:` of all jobs: names spelled as the jobs they name are (GitHub ignores case there), none unknown, no cycle.
 * The messages are GitHub's.
 */
import type { StringToken, TemplateToken } from "@actions/workflow-parser/templates/tokens/index";
import type { Faults } from "./faults.ts";
import { placeOf } from "./to-template.ts";
import { textListOf, type TokenEntry, valueAt } from "./token-access.ts";
import type { Job } from "./workflow.ts";

export type Needs = Pick<Job, "needs" | "needsAt">;

export const NO_NEEDS: Needs = { needs: [], needsAt: [] };

/** By job id. Unknown names are left out, having been told. */
export function convertNeeds(
  jobs: TemplateToken,
  entries: readonly TokenEntry[],
  faults: Faults,
): ReadonlyMap<string, Needs> {
  const idByLowerCase = new Map(entries.map(({ name }) => [name.toLowerCase(), name]));
  const needs = entries.map(({ name, value }) => ({ job: name, tokens: textListOf(valueAt(value, "needs")) ?? [] }));
  const known = needs.map(({ job, tokens }) => ({
    job,
    needs: tokens.flatMap((token) => {
      const need = idByLowerCase.get(token.value.toLowerCase());
      if (need === undefined) faults.error(token, `Job '${job}' depends on unknown job '${token.value}'.`);
      return need === undefined ? [] : [{ need, token }];
    }),
  }));
  const allKnown = known.every(({ needs: found }, index) => found.length === needs[index]?.tokens.length);
  if (allKnown && known.every(({ needs: found }) => found.length > 0)) {
    faults.error(jobs, "The workflow must contain at least one job with no dependencies.");
    return new Map();
  }
  reportCycles(known, faults);
  return new Map(known.map(({ job, needs: found }) => [job, withoutRepetition(found)]));
}

interface JobNeeds {
  readonly job: string;
  readonly needs: readonly { readonly need: string; readonly token: StringToken }[];
}

function withoutRepetition(found: JobNeeds["needs"]): Needs {
  const tokens = new Map<string, StringToken>();
  for (const { need, token } of found) if (!tokens.has(need)) tokens.set(need, token);
  return { needs: [...tokens.keys()], needsAt: [...tokens.values()].map((token) => placeOf(token)) };
}

/** Takes away the jobs that can start, again and again; what is left waits for itself. */
function reportCycles(jobs: readonly JobNeeds[], faults: Faults): void {
  let waiting = jobs;
  const done = new Set<string>();
  for (;;) {
    const ready = waiting.filter(({ needs }) => needs.every(({ need }) => done.has(need)));
    if (ready.length === 0) break;
    for (const { job } of ready) done.add(job);
    waiting = waiting.filter(({ job }) => !done.has(job));
  }
  for (const { job, needs } of waiting) {
    for (const { need, token } of needs) {
      if (done.has(need)) continue;
      faults.error(token, `Job '${job}' depends on job '${need}' which creates a cycle in the dependency graph.`);
    }
  }
}
