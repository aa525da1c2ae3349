/** The `job` and `strategy` contexts. Source: ACTIONS-CONTRACT §1.4. */
import type { ObjectValue } from "../expression/ordered-object.ts";
import { mappingOf } from "./mapping.ts";

/** Where the job's workflow came from, for `job.workflow_*`. */
export interface JobOrigin {
  readonly repository: string;
  readonly path: string;
  readonly ref: string;
  readonly sha: string;
}

export function jobContext(status: "success" | "failure" | "cancelled", origin: JobOrigin): ObjectValue {
  return mappingOf([
    ["status", status],
    ["workflow_ref", `${origin.repository}/${origin.path}@${origin.ref}`],
    ["workflow_sha", origin.sha],
    ["workflow_repository", origin.repository],
    ["workflow_file_path", origin.path],
  ]);
}

/** Values of `strategy:`, evaluated; undefined where the workflow does not say. */
export interface StrategyValues {
  readonly failFast: boolean | undefined;
  readonly maxParallel: number | undefined;
}

/** `jobIndex` counts from 0. A job without a matrix is one of one. */
export function strategyContext(jobIndex: number, jobTotal: number, strategy: StrategyValues): ObjectValue {
  const { failFast, maxParallel } = strategy;
  return mappingOf([
    ["fail-fast", failFast ?? true],
    ["job-index", jobIndex],
    ["job-total", jobTotal],
    ["max-parallel", maxParallel !== undefined && maxParallel > 0 ? maxParallel : jobTotal],
  ]);
}
