/**
 * How much a run may call: levels, files, jobs and bytes over all workflows that are called from one. Without it a few
 * small files that call one another many times would come to millions of jobs. GitHub's numbers, except for jobs,
 * of which it names no limit. Source: GitHub "Reuse workflows", limitations; actions/runner, `ParseOptions`.
 */
import { READ_LIMITS } from "./limits.ts";
import type { Workflow } from "./workflow.ts";

export interface CallLimits {
  /** Calls below one another: ten levels with the workflow that the event started. */
  readonly nestedCalls: number;
  /** Different ones; a file that is called twice counts once. */
  readonly calledFiles: number;
  /** Of all files, those of a file that is called twice counted twice. */
  readonly jobs: number;
  readonly sizeBytes: number;
}

export const CALL_LIMITS: CallLimits = {
  nestedCalls: 9,
  calledFiles: 50,
  jobs: 10_000,
  sizeBytes: READ_LIMITS.sizeBytes,
};

/** Counts what one run calls. Of one planning, never kept: a run that is planned anew counts anew. */
export class CallTree {
  readonly #limits: CallLimits;
  readonly #files = new Set<string>();
  #jobs: number;
  #sizeBytes: number;

  /** `root` is the workflow that the event started. */
  constructor(root: Workflow, limits: CallLimits = CALL_LIMITS) {
    this.#limits = limits;
    this.#jobs = root.jobs.length;
    this.#sizeBytes = root.sizeBytes;
  }

  /** GitHub's message when this call is too much, else undefined. `level` is 1 for a call from the root. */
  add({ path, jobs, sizeBytes }: Workflow, level: number): string | undefined {
    const limits = this.#limits;
    if (level > limits.nestedCalls) return `Nested reusable workflow depth exceeded ${limits.nestedCalls}.`;
    this.#files.add(path);
    // GitHub counts the file that the event started with those it calls.
    if (this.#files.size > limits.calledFiles) {
      return `The maximum file count of ${limits.calledFiles + 1} has been exceeded`;
    }
    this.#jobs += jobs.length;
    if (this.#jobs > limits.jobs) return `The workflow may not contain more than ${limits.jobs} jobs`;
    this.#sizeBytes += sizeBytes;
    if (this.#sizeBytes <= limits.sizeBytes) return undefined;
    return `Error from called workflow ${path}: Maximum object size exceeded`;
  }
}
