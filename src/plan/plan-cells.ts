/**
 * The cells of a job's matrix as far as they can be known before anything runs, and the choice of some of them by
 * `--matrix key:value`. Source: ACTIONS-CONTRACT §1.5 (what a strategy may read) and §3.5.
 */
import { entriesOf, member } from "../context/mapping.ts";
import { GITHUB_MEMBERS_OF_A_RUN } from "../context/github-context.ts";
import { areEqual, toText } from "../expression/coerce.ts";
import { contextsReadBy, evaluate, ExpressionError } from "../expression/evaluate.ts";
import type { Scope } from "../expression/evaluate.ts";
import { objectFromEntries } from "../expression/ordered-object.ts";
import type { Template } from "../expression/template.ts";
import type { Job } from "../workflow/workflow.ts";
import { expandMatrix, MatrixWork } from "./expand-matrix.ts";
import type { MatrixCell, PlannedJob } from "./plan.ts";

export type CellsPlan =
  | { readonly kind: "cells"; readonly cells: readonly MatrixCell[] }
  /** `warning` says why a matrix that looks as if it could be expanded is not. */
  | { readonly kind: "dynamic"; readonly warning: string | undefined }
  | { readonly kind: "refused"; readonly message: string };

export interface MatrixSelection {
  readonly key: string;
  readonly value: string;
}

/**
 * `contexts` are those known while planning: github, vars, and inputs where there are any; a matrix that reads more is dynamic.
 * `work` is what the matrices of the plan may cost together.
 * `starts` false: the event does not start the workflow, so what the matrix reads of it may well be missing.
 */
export function planCells(
  job: Job,
  contexts: Scope["contexts"],
  starts: boolean,
  work: MatrixWork = new MatrixWork(),
): CellsPlan {
  const matrix = job.strategy?.matrix;
  if (matrix === undefined) return { kind: "cells", cells: [{ values: objectFromEntries([]), label: "" }] };
  if (isKnownLater(matrix, contexts)) return { kind: "dynamic", warning: undefined };
  const expansion = evaluateMatrix(matrix, contexts, work);
  if (expansion.kind === "cells") return expansion;
  // GitHub looks at the condition first, and a condition often guards a matrix that would be empty.
  const mayNotStart = !starts || job.condition.expression !== "success()";
  if (!mayNotStart || contextsReadBy(matrix).size === 0) return expansion;
  return { kind: "dynamic", warning: `${expansion.message}; if it is still so when the job starts, the job fails` };
}

/** Keeps the cells that have every key's value; several values for one key are alternatives. A message when none is left. */
export function selectCells(
  jobs: readonly PlannedJob[],
  selections: readonly MatrixSelection[],
): readonly PlannedJob[] | string {
  for (const { key } of selections) {
    if (!jobs.some((planned) => hasKey(planned, key))) return `No matrix has the key '${key}'; ${keysThereAre(jobs)}`;
  }
  const selected: PlannedJob[] = [];
  for (const planned of jobs) {
    const own = selections.filter(({ key }) => hasKey(planned, key));
    if (planned.cells === "dynamic" || own.length === 0) {
      selected.push(planned);
      continue;
    }
    const cells = planned.cells.filter((cell) => isSelected(cell, own));
    if (cells.length === 0) {
      const wanted = own.map(({ key, value }) => `${key}:${value}`).join(", ");
      const labels = planned.cells.map((cell) => `(${cell.label})`).join(" ");
      return `Job '${planned.job.id}' has no matrix cell with ${wanted}; there are: ${labels}`;
    }
    selected.push({ ...planned, cells });
  }
  return selected;
}

/** Whether a template reads what has no value while planning. */
export function isKnownLater(template: Template, contexts: Scope["contexts"]): boolean {
  const names = contextsReadBy(template);
  if ([...names].some((name) => !Object.hasOwn(contexts, name))) return true;
  const text = names.has("github") ? JSON.stringify(template).toLowerCase() : "";
  return GITHUB_MEMBERS_OF_A_RUN.some((name) => text.includes(name));
}

function evaluateMatrix(matrix: Template, contexts: Scope["contexts"], work: MatrixWork) {
  try {
    return expandMatrix(evaluate(matrix, { contexts, functions: {} }), work);
  } catch (error) {
    if (error instanceof ExpressionError) return { kind: "refused", message: error.message } as const;
    throw error;
  }
}

function hasKey(planned: PlannedJob, key: string): boolean {
  return planned.cells !== "dynamic" && planned.cells.some((cell) => member(cell.values, key) !== undefined);
}

function isSelected(cell: MatrixCell, selections: readonly MatrixSelection[]): boolean {
  return selections.every(({ key }) =>
    selections.some((other) => isSameKey(other.key, key) && areEqual(member(cell.values, key) ?? null, other.value)),
  );
}

function isSameKey(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase();
}

function keysThereAre(jobs: readonly PlannedJob[]): string {
  const cells = jobs.flatMap((planned) => (planned.cells === "dynamic" ? [] : planned.cells));
  const keys = new Set(cells.flatMap((cell) => entriesOf(cell.values).map(([key]) => toText(key))));
  const dynamic = jobs.filter((planned) => planned.cells === "dynamic").map((planned) => planned.job.id);
  const known = keys.size === 0 ? "there are none" : `there are: ${[...keys].join(", ")}`;
  return dynamic.length === 0 ? known : `${known} (known only at run time: those of ${dynamic.join(", ")})`;
}
