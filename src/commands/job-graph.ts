/**
 * A plan's jobs as a graph: stages by what must have ended before, needs as edges, called workflows as graphs inside their
 * job. What `--graph` draws, as text and as SVG, and what `--list` counts. Pure.
 */
import type { PlannedJob, PlannedWorkflow } from "../plan/plan.ts";
import { counted } from "./counted.ts";

export interface GraphJob {
  readonly id: string;
  /** Ids of jobs of the same graph, in the order of the file. */
  readonly needs: readonly string[];
  /** `3 cells`, `matrix` where it is known only later; empty without a matrix. */
  readonly cells: string;
  readonly calls: { readonly uses: string; readonly stages: Stages } | undefined;
}

/** The jobs of a stage need only jobs of those before it; each stands in the first it can stand in. */
export type Stages = readonly (readonly GraphJob[])[];

export function stagesOf({ jobs }: PlannedWorkflow): Stages {
  const stageOf = new Map<string, number>();
  const stages: GraphJob[][] = [];
  // A job stands after all its needs.
  for (const planned of jobs) {
    const { id } = planned.job;
    const needs = planned.job.needs.filter((need) => stageOf.has(need));
    const stage = Math.max(0, ...needs.map((need) => (stageOf.get(need) ?? 0) + 1));
    stageOf.set(id, stage);
    (stages[stage] ??= []).push({ id, needs, cells: cellsOf(planned), calls: callOf(planned) });
  }
  return stages;
}

function cellsOf({ cells }: PlannedJob): string {
  if (cells === "dynamic") return "matrix";
  return cells.every(({ label }) => label === "") ? "" : counted(cells.length, "cell");
}

function callOf({ job, called }: PlannedJob): GraphJob["calls"] {
  if (job.kind !== "call") return undefined;
  return { uses: job.uses, stages: called?.kind === "called" ? stagesOf(called.plan) : [] };
}
