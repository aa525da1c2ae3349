/**
 * What has left the machine of a run, as far as the record tells: going back does not undo it, and a step that runs again does it again.
 * A listener for the events of a record, then lines for people. Pure.
 */
import type { JobKey, RunEvent } from "../store/run-event.ts";

export interface OutsideEffects {
  readonly note: (event: RunEvent) => void;
  /** Of this job from that step on, and of the jobs that come after it; empty where nothing is known. */
  readonly linesFrom: (place: {
    readonly job: JobKey;
    readonly step: number;
    readonly again: ReadonlySet<JobKey>;
  }) => readonly string[];
}

interface Effect {
  readonly job: JobKey;
  /** Infinity where only the job is known. */
  readonly step: number;
  readonly text: string;
}

const MAX_LINES = 12;

export function collectEffects(): OutsideEffects {
  const effects: Effect[] = [];
  return {
    note(event) {
      if (event.type === "egress" && event.allowed) {
        const { job, step, host, port } = event;
        effects.push({
          job,
          step: Number(step),
          text: `${job}, step ${step}: asked ${host}${port === 0 ? "" : `:${port}`}`,
        });
      }
      if (event.type === "api_write") {
        const { job, method, path } = event;
        effects.push({ job, step: Infinity, text: `${job}: ${method} ${path} through GitHub's API` });
      }
    },
    linesFrom({ job, step, again }) {
      const found = effects.filter((one) => (one.job === job ? one.step >= step : again.has(one.job)));
      const lines = [...new Set(found.map(({ text }) => text))];
      const rest = lines.length - MAX_LINES;
      if (lines.length === 0) return [];
      return [
        "What left the machine then is not undone, and is done again by steps that run again:",
        ...lines.slice(0, MAX_LINES).map((line) => `  ${line}`),
        ...(rest > 0 ? [`  and ${rest} more: hearth logs --network, --api`] : []),
      ];
    },
  };
}
