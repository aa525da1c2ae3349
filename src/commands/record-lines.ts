/** A job and a step of a record as one line each: mark, name, how long, and how it ended where that is not plain success. */
import { unreachable } from "../lib/unreachable.ts";
import type { Conclusion, Fate } from "../store/run-event.ts";
import type { JobRecord, RunRecord, StepRecord } from "../store/run-record.ts";
import { plainText } from "./display-text.ts";
import { formatDuration } from "./duration.ts";
import { placeJobs } from "./job-tree.ts";
import type { PlacedJob } from "./job-tree.ts";
import { span } from "./line.ts";
import type { Line, Style } from "./line.ts";

/** Every declared step of a finished run with its fate; of the runner's own only those that failed. Not cut to any window. */
export function recordLines(record: RunRecord): Line[] {
  return placeJobs(record.jobs).flatMap((placed) => [
    jobLine(placed, 0),
    ...placed.job.steps
      .filter((step) => step.phase === "main" || isFailed(step))
      .map((step) => stepLine(step, 0, placed.depth)),
  ]);
}

/** A job that calls a workflow is a heading over the called jobs: its mark and time are theirs together. */
export function jobLine({ job, depth, label }: PlacedJob, nowMs: number): Line {
  const { state, calls } = job;
  const indent = "  ".repeat(depth);
  const name = plainText(label);
  const called = calls === undefined ? [] : [span(` → ${plainText(calls)}`, "dim")];
  switch (state.status) {
    case "queued":
      return [span(`${indent}  ○ `, "dim"), span(name, "dim"), ...called];
    case "waiting":
      return [
        span(`${indent}  ◌ `, "yellow"),
        span(name),
        ...called,
        span(`  waits for the concurrency group ${plainText(state.group)}`, "dim"),
      ];
    case "in_progress":
      return [
        span(`${indent}  ${spinner(nowMs)} `, "cyan"),
        span(name),
        ...called,
        span(`  ${formatDuration(nowMs - Date.parse(state.startedAt))}`, "dim"),
      ];
    case "completed": {
      const { mark, style } = conclusionMark(state.conclusion);
      const reason = state.reason === undefined ? "" : `  ${plainText(state.reason)}`;
      return [
        span(`${indent}  ${mark} `, style),
        span(name),
        ...called,
        span(`  ${formatDuration(state.durationMs)}${reason}${environmentText(job)}`, "dim"),
      ];
    }
    default:
      return unreachable(state);
  }
}

/** `  production https://example.com`: where the job deployed to, once it is over. */
export function environmentText({ environment }: { readonly environment?: JobRecord["environment"] }): string {
  if (environment === undefined) return "";
  const { name, url } = environment;
  return `  environment ${plainText(url === undefined ? name : `${name} ${url}`)}`;
}

/** `  Deploy v2 (attempt 3)`: what the run is called and which try it is, where there is something to say. */
export function runText({ title, attempt }: Pick<RunRecord, "title" | "attempt">): string {
  const shown = title === undefined ? "" : `  ${plainText(title)}`;
  return attempt < 2 ? shown : `${shown} (attempt ${attempt})`;
}

/** `nowMs` is for what is still running, `depth` that of its job. */
export function stepLine({ name, state }: StepRecord, nowMs: number, depth: number): Line {
  const shown = plainText(name);
  const indent = "  ".repeat(depth);
  switch (state.status) {
    case "queued":
      return [span(`${indent}    ○ `, "dim"), span(shown, "dim")];
    case "in_progress":
      return [
        span(`${indent}    ${spinner(nowMs)} `, "cyan"),
        span(shown),
        span(`  ${formatDuration(nowMs - Date.parse(state.startedAt))}`, "dim"),
      ];
    case "completed": {
      const { mark, style } = fateMark(state.fate);
      return [
        span(`${indent}    ${mark} `, style),
        span(shown),
        span(`  ${fateText(state.fate, state.durationMs)}`, "dim"),
      ];
    }
    default:
      return unreachable(state);
  }
}

/** How a step ended, in words: `1.2s`, `failure (exit code 1)  1.2s`, `skipped: …`. */
export function fateText(fate: Fate, durationMs: number): string {
  switch (fate.kind) {
    case "ran": {
      const facts = [
        ...(fate.exitCode === undefined || fate.exitCode === 0 ? [] : [`exit code ${fate.exitCode}`]),
        ...(fate.trouble === undefined ? [] : [fate.trouble.replaceAll("_", " ")]),
      ];
      const code = facts.length === 0 ? "" : ` (${facts.join(", ")})`;
      const tolerated = fate.outcome === fate.conclusion ? "" : ", continued";
      return `${fate.outcome === "success" ? "" : `${fate.outcome}${code}${tolerated}  `}${formatDuration(durationMs)}`;
    }
    case "skipped":
    case "cancelled":
      return `${fate.kind}: ${plainText(fate.reason)}`;
    case "not_reached":
      return `not reached: ${plainText(fate.reason)}`;
    default:
      return unreachable(fate);
  }
}

function fateMark(fate: Fate): { mark: string; style: Style } {
  if (fate.kind !== "ran") return { mark: "-", style: fate.kind === "skipped" ? "dim" : "yellow" };
  // Failed and told to go on: neither green nor the cause of a red job.
  if (fate.outcome !== fate.conclusion) return { mark: "!", style: "yellow" };
  return conclusionMark(fate.conclusion);
}

function conclusionMark(conclusion: Conclusion): { mark: string; style: Style } {
  switch (conclusion) {
    case "success":
      return { mark: "✓", style: "green" };
    case "failure":
      return { mark: "✗", style: "red" };
    case "cancelled":
      return { mark: "-", style: "yellow" };
    case "skipped":
      return { mark: "-", style: "dim" };
    default:
      return unreachable(conclusion);
  }
}

export function isFailed({ state }: StepRecord): boolean {
  return state.status === "completed" && state.fate.kind === "ran" && state.fate.conclusion === "failure";
}

export function spinner(nowMs: number): string {
  return spinnerFrames.charAt(Math.floor(nowMs / 100) % spinnerFrames.length);
}

const spinnerFrames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";
