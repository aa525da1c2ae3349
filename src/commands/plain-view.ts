/**
 * For pipes and CI: one line for everything that happens, `job | step | line`, with the workflow in front where several run.
 * Groups are folded to their titles unless `verbose`; what is folded is in the log. Pure consumer; never moves the cursor.
 */
import { counted } from "./counted.ts";
import { plainText, splitReturns, truncate } from "./display-text.ts";
import { formatDuration } from "./duration.ts";
import { lossLines } from "./loss-lines.ts";
import { createQuietView } from "./quiet-view.ts";
import { environmentText, fateText, runText } from "./record-lines.ts";
import type { Fate, RunEvent, StepRef } from "../store/run-event.ts";
import type { RunWatch } from "./run-watch.ts";
import type { Terminal } from "./terminal.ts";
import type { View } from "./view.ts";

export interface PlainViewOptions {
  readonly verbose: boolean;
  /** More than one workflow will run. */
  readonly several: boolean;
}

export function createPlainView({ out, err }: Terminal, { verbose, several }: PlainViewOptions): View {
  /** Steps whose open group is folded. */
  const folded = new Set<string>();

  function say(watch: RunWatch, text: string, ...places: string[]): void {
    const prefix = [...(several ? [watch.label] : []), ...places]
      .map((place) => `${truncate(plainText(place), PLACE_COLUMNS)} | `)
      .join("");
    out.write(`${out.colors.dim(prefix)}${text}\n`);
  }

  function sayInStep(watch: RunWatch, event: StepRef, text: string): void {
    say(watch, text, event.job, stepName(watch, event));
  }

  function event(watch: RunWatch, event: RunEvent): void {
    switch (event.type) {
      case "log":
        if (folded.has(stepKey(watch, event))) return;
        for (const part of splitReturns(event.line)) sayInStep(watch, event, plainText(part));
        return;
      case "group":
        if (!verbose) folded.add(stepKey(watch, event));
        return sayInStep(watch, event, `▸ ${plainText(event.title)}`);
      case "group_end":
        folded.delete(stepKey(watch, event));
        return;
      case "step_completed":
        folded.delete(stepKey(watch, event));
        return sayInStep(watch, event, endingText(event.fate, event.durationMs));
      case "run_started": {
        const text = runText(watch.record);
        if (text !== "") say(watch, text.trim());
        return;
      }
      case "waiting": {
        const text = `waits for the concurrency group ${plainText(event.group)}`;
        return event.job === undefined ? say(watch, text) : say(watch, text, event.job);
      }
      case "matrix_fork": {
        const going = `copied for ${counted(event.cells.length, "other cell")}  ${formatDuration(event.durationMs)}`;
        return say(watch, going, event.job);
      }
      case "matrix_fork_failed":
        return say(
          watch,
          `shares no step with ${plainText(event.cells.join(", "))}: ${plainText(event.reason)}`,
          event.job,
        );
      case "machine_waiting":
        return say(watch, `waits for ${plainText(event.lack)}`);
      case "machine_ready": {
        const warm = event.warm === true ? ", warm" : "";
        return say(watch, `machine ready: ${event.isolation}, ${formatDuration(event.durationMs)}${warm}`);
      }
      case "machine_lost":
        for (const line of lossLines(event)) say(watch, line);
        return;
      case "job_completed": {
        const reason = event.reason === undefined ? "" : `: ${plainText(event.reason)}`;
        const ended = `${event.conclusion}${reason}  ${formatDuration(event.durationMs)}`;
        return say(watch, `${ended}${environmentText(event)}`, event.job);
      }
      default:
    }
  }

  return { ...createQuietView({ err }), event };
}

/** A step without a name is called by its script, which can be as long as it likes; it stands before every line. */
const PLACE_COLUMNS = 40;

function stepKey(watch: RunWatch, { job, step }: StepRef): string {
  return `${watch.label}\n${job}\n${step}`;
}

function stepName(watch: RunWatch, { job, step }: StepRef): string {
  const known = watch.record.jobs.find((other) => other.job === job)?.steps.find((other) => other.step === step);
  return known?.name ?? step;
}

/** A mark alone is enough in the live view; a line of its own needs the word. */
function endingText(fate: Fate, durationMs: number): string {
  const success = fate.kind === "ran" && fate.outcome === "success";
  return `${success ? "success  " : ""}${fateText(fate, durationMs)}`;
}
