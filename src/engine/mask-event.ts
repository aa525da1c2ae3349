/**
 * Hides secrets in what the engine itself says of a run: reasons, messages, names. What a job prints has passed its step's log
 * already. In the one place through which every event goes, because whoever makes a message would forget some day.
 */
import type { Masker } from "../joblog/masker.ts";
import type { Fate, RunEventBody } from "../store/run-event.ts";

export function maskEvent(event: RunEventBody, masker: Masker): RunEventBody {
  const mask = (text: string): string => masker.mask(text);
  switch (event.type) {
    case "step_started":
      return { ...event, name: mask(event.name) };
    case "step_completed":
      return { ...event, name: mask(event.name), fate: maskFate(event.fate, mask) };
    case "job_planned":
      return {
        ...event,
        name: mask(event.name),
        steps: event.steps.map((step) => ({ ...step, name: mask(step.name) })),
      };
    case "job_completed":
      return {
        ...event,
        reason: event.reason === undefined ? undefined : mask(event.reason),
        ...(event.environment && { environment: { ...event.environment, name: mask(event.environment.name) } }),
      };
    case "api_write":
      return { ...event, path: mask(event.path), body: event.body.split("\n").map(mask).join("\n") };
    case "machine_lost":
      return { ...event, reason: mask(event.reason), console: event.console.split("\n").map(mask).join("\n") };
    case "run_completed":
      return { ...event, error: event.error && { ...event.error, message: mask(event.error.message) } };
    default:
      return event;
  }
}

function maskFate(fate: Fate, mask: (text: string) => string): Fate {
  if (fate.kind !== "ran") return { ...fate, reason: mask(fate.reason) };
  return { ...fate, message: fate.message === undefined ? undefined : mask(fate.message) };
}
