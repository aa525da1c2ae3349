/**
 * A job graph as text: one stage below the other, the jobs of a stage that may run at the same time joined by a bracket, each
 * with the jobs it needs, and the graph of a called workflow below its job. Pure.
 */
import { plainText } from "./display-text.ts";
import type { GraphJob, Stages } from "./job-graph.ts";
import { span } from "./line.ts";
import type { Line, Span } from "./line.ts";

export function graphLines(stages: Stages): Line[] {
  return graphLinesBelow(stages, [span("  ")]);
}

function graphLinesBelow(stages: Stages, indent: readonly Span[]): Line[] {
  const digits = String(stages.length).length;
  const margin = " ".repeat(digits);
  return stages.flatMap((jobs, index) => [
    ...(index === 0 ? [] : [[...indent, span(`${margin} │`, "dim")]]),
    ...jobs.flatMap((job, row) => {
      const number = row === 0 ? String(index + 1).padStart(digits) : margin;
      const last = row === jobs.length - 1;
      const bracket = jobs.length === 1 ? "─" : row === 0 ? "┬" : last ? "└" : "├";
      const below = jobs.length === 1 || last ? `${margin}   ` : `${margin} │ `;
      return [
        [...indent, span(`${number} ${bracket} `, "dim"), ...jobSpans(job)],
        ...(job.calls === undefined
          ? []
          : graphLinesBelow(job.calls.stages, [...indent, span(below, "dim"), span("  ")])),
      ];
    }),
  ]);
}

function jobSpans({ id, needs, cells, calls }: GraphJob): Span[] {
  return [
    span(plainText(id), "bold"),
    ...(cells === "" ? [] : [span(` (${cells})`)]),
    ...(calls === undefined ? [] : [span(` → ${plainText(calls.uses)}`, "cyan")]),
    ...(needs.length === 0 ? [] : [span(`  ← ${plainText(needs.join(", "))}`, "dim")]),
  ];
}
