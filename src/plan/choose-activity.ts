/**
 * What exactly happened, where a person named only the event: the activity type, the schedule that fired, the workflow that
 * ended. What the workflows at hand ask for goes first, so that `--event issues` starts the workflow for labels too; GitHub has
 * one activity for one event, and so has every run here.
 */
import type { Trigger } from "../workflow/workflow.ts";
import { eventRule } from "./event-rules.ts";

export interface Activity {
  /** `github.event.action`; undefined for events that have none. */
  readonly action: string | undefined;
  /** `github.event.schedule`; undefined: every workflow's own. */
  readonly schedule: string | undefined;
  /** Of the run that a workflow_run is about. */
  readonly workflowName: string | undefined;
}

/** `triggers`: those of the workflows at hand, in the order of their files; `schedule`: the one that a person named. */
export function chooseActivity(event: string, triggers: readonly Trigger[], schedule: string | undefined): Activity {
  const own = triggers.filter((trigger) => trigger.event === event);
  return {
    action: chooseAction(event, own),
    schedule,
    workflowName: own.flatMap(({ workflows = [] }) => workflows).find((name) => isPlainName(name)),
  };
}

/** Of a repository_dispatch without `types` it is anything. */
const ANY_EVENT_TYPE = "dispatch";

function chooseAction(event: string, triggers: readonly Trigger[]): string | undefined {
  if (event === "repository_dispatch") return triggers.flatMap(({ types = [] }) => types)[0] ?? ANY_EVENT_TYPE;
  const standard = eventRule(event)?.types[0];
  if (standard === undefined || triggers.length === 0) return standard;
  const takesStandard = triggers.some(({ types }) => types === undefined || types.includes(standard));
  return takesStandard ? standard : (triggers.flatMap(({ types = [] }) => types)[0] ?? standard);
}

function isPlainName(name: string): boolean {
  return !/[*?+[\]!\\]/u.test(name);
}
