/**
 * `schedule`: which entry of a workflow fired. A person names one, or none: then every workflow's own first entry has. The
 * check of cron expressions is `workflow/cron.ts`'s, when they are due `select/next-run.ts`'s.
 */
import { objectFromEntries } from "../expression/ordered-object.ts";
import type { Workflow } from "../workflow/workflow.ts";
import type { Event } from "./event.ts";

/** Another event than `schedule`, or one that says what fired, is returned as it is. */
export function withOwnSchedule(event: Event, workflow: Workflow): Event {
  if (event.name !== "schedule" || event.payload["schedule"] !== undefined) return event;
  const [first] = schedulesOf(workflow);
  if (first === undefined) return event;
  const payload = objectFromEntries([
    ["schedule", first.cron],
    ["workflow", workflow.path],
    ...Object.entries(event.payload),
  ]);
  return { ...event, payload };
}

/** In the order of the file; `timezone` undefined: UTC. */
export function schedulesOf(
  workflow: Workflow,
): readonly { readonly cron: string; readonly timezone: string | undefined }[] {
  return workflow.triggers.flatMap(({ schedules = [] }) => schedules);
}

/** Spaces do not count where a person types an expression again. */
export function isSameCron(left: string, right: string): boolean {
  return left.trim().split(/\s+/u).join(" ") === right.trim().split(/\s+/u).join(" ");
}
