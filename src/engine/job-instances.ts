/** The cells of a planned job as things to run, each with a key and a name; dynamic matrices are expanded here. */
import { ExpressionError, evaluate, toText } from "../expression/evaluate.ts";
import type { Scope as ExpressionScope } from "../expression/evaluate.ts";
import type { Value } from "../expression/template.ts";
import { expandMatrix } from "../plan/expand-matrix.ts";
import type { MatrixCell, PlannedJob } from "../plan/plan.ts";
import type { Job } from "../workflow/workflow.ts";
import { strategyContext } from "../context/job-context.ts";
import type { JobInstance } from "./job-run.ts";
import { booleanOf, numberOf } from "./typed-value.ts";
import { keyBelow, nameBelow } from "./workflow-run.ts";
import type { WorkflowRun } from "./workflow-run.ts";

type Place = Pick<WorkflowRun, "caller">;

/** `scope` holds what a job may read before it starts: github, needs, inputs, vars (ACTIONS-CONTRACT §1.5). Throws ExpressionError. */
export function jobInstances(place: Place, planned: PlannedJob, scope: ExpressionScope): readonly JobInstance<Job>[] {
  const { job, steps, called } = planned;
  const cells = planned.cells === "dynamic" ? expandDynamic(job, scope) : planned.cells;
  const { failFast, maxParallel } = strategyOf(job, scope, cells.length);
  const keys = uniqueKeys(job.id, cells);
  return cells.map((cell, index): JobInstance<Job> => {
    const key = keys[index] ?? job.id;
    const own = {
      ...scope.contexts,
      matrix: cell.values,
      strategy: strategyContext(index, cells.length, { failFast, maxParallel }),
    };
    return {
      key: keyBelow(place, key),
      job,
      name: nameBelow(place, job.name === undefined ? key : nameOf(job, { ...scope, contexts: own }, cell)),
      steps,
      called,
      unsupported: planned.unsupported ?? cell.unsupported,
      matrix: cell.values,
      index,
      total: cells.length,
      failFast,
      maxParallel,
    };
  });
}

/** A job that was skipped before its matrix was expanded is one job, as GitHub shows it. */
export function unexpanded(place: Place, { job, steps, called }: PlannedJob): JobInstance<Job> {
  return {
    key: keyBelow(place, job.id),
    job,
    name: nameBelow(place, job.id),
    steps,
    called,
    matrix: {},
    index: 0,
    total: 1,
    failFast: true,
    maxParallel: 1,
  };
}

function expandDynamic(job: Job, scope: ExpressionScope): readonly MatrixCell[] {
  const matrix = job.strategy?.matrix;
  const expanded = expandMatrix(matrix === undefined ? null : evaluate(matrix, scope));
  if (expanded.kind === "refused") throw new ExpressionError(expanded.message);
  return expanded.cells;
}

function strategyOf(job: Job, scope: ExpressionScope, total: number): { failFast: boolean; maxParallel: number } {
  const { failFast, maxParallel } = job.strategy ?? {};
  const limit = maxParallel === undefined ? total : numberOf(evaluate(maxParallel, scope), "max-parallel");
  return {
    failFast: failFast === undefined ? true : booleanOf(evaluate(failFast, scope), "fail-fast"),
    maxParallel: limit >= 1 ? Math.min(Math.floor(limit), Math.max(total, 1)) : Math.max(total, 1),
  };
}

/** `id (label)`; labels are cut at 100 characters, so two cells can share one, and the second is told apart by its number. */
function uniqueKeys(id: string, cells: readonly MatrixCell[]): string[] {
  const taken = new Set<string>();
  return cells.map(({ label }) => {
    const plain = label === "" ? id : `${id} (${label})`;
    let key = plain;
    for (let count = 2; taken.has(key); count += 1) key = `${plain} #${count}`;
    taken.add(key);
    return key;
  });
}

/** GitHub adds the cell's values to a name that does not mention the matrix itself. */
function nameOf(job: Job, scope: ExpressionScope, cell: MatrixCell): string {
  const template = job.name;
  if (template === undefined) return job.id;
  const name = toText(evaluate(template, scope) satisfies Value);
  const literal = template.kind === "literal";
  const whole = literal && cell.label !== "" ? `${name} (${cell.label})` : name;
  return whole.length > MAX_NAME_LENGTH ? `${whole.slice(0, MAX_NAME_LENGTH - 3)}...` : whole;
}

/** GitHub's figure. */
const MAX_NAME_LENGTH = 100;
