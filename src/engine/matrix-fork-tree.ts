/**
 * Which cells of a matrix share their first steps, decided before anything runs. A step is shared only where everything that it and
 * what surrounds it read of the cell is equal in both; sharing ends before a step of which that cannot be known. Pure.
 */
import { strategyContext } from "../context/job-context.ts";
import type { PlannedStep, Way } from "../plan/plan.ts";
import type { Workflow } from "../workflow/workflow.ts";
import type { JobInstance } from "./job-run.ts";
import { cellText } from "./matrix-fork-reads.ts";
import type { CellContexts } from "./matrix-fork-reads.ts";

export interface Branch {
  /** Index of an earlier cell, that with which it shares most. */
  readonly parent: number;
  /** Number of the first declared step that is not shared; one more than the last where all of them are. */
  readonly before: number;
}

/** One for each cell; undefined: it shares nothing with an earlier one. All are cells of one job, in order. */
export function branchesOf(
  workflow: Pick<Workflow, "env" | "defaults">,
  cells: readonly JobInstance[],
): readonly (Branch | undefined)[] {
  const texts = cells.map((cell) => textsOfCell(workflow, cell));
  return texts.map((own, index) => {
    let branch: Branch | undefined;
    for (const [parent, other] of texts.slice(0, index).entries()) {
      const before = sharedSteps(own, other) + 1;
      if (before > (branch?.before ?? 1)) branch = { parent, before };
    }
    return branch;
  });
}

/** What it reads of another cell cannot be known before its turn, or it leaves the job in a state that cannot be saved. */
function endsSharing({ step, way }: PlannedStep): boolean {
  return step.kind === "control" || step.background || isUnknown(way);
}

interface CellTexts {
  readonly surroundings: string;
  /** Of the steps that could be shared. */
  readonly steps: readonly string[];
}

function textsOfCell({ env, defaults }: Pick<Workflow, "env" | "defaults">, cell: JobInstance): CellTexts {
  const { index, total, failFast, maxParallel, matrix, job, steps } = cell;
  const contexts: CellContexts = { matrix, strategy: strategyContext(index, total, { failFast, maxParallel }) };
  // Its name is for people, its outputs are evaluated when it ends, and its cells are what its strategy came to.
  const { name: _name, outputs: _outputs, strategy: _strategy, steps: _steps, ...surroundings } = job;
  const unknown = steps.findIndex(endsSharing);
  return {
    surroundings: cellText([env, defaults, surroundings], contexts),
    steps: (unknown === -1 ? steps : steps.slice(0, unknown)).map(({ step }) => cellText(step, contexts)),
  };
}

function sharedSteps(one: CellTexts, other: CellTexts): number {
  if (one.surroundings !== other.surroundings) return 0;
  const differing = one.steps.findIndex((text, index) => text !== other.steps[index]);
  return differing === -1 ? one.steps.length : differing;
}

/** An action of the workspace is what the steps before it make it; its own steps see `matrix`. */
function isUnknown(way: Way): boolean {
  switch (way.kind) {
    case "run":
    case "builtin":
      return false;
    case "javascript":
      return way.action === undefined;
    case "composite":
      return way.action === undefined || way.steps.some((step) => isUnknown(step.way));
    case "translated":
      return way.steps.some((step) => isUnknown(step.way));
    default:
      return true;
  }
}
