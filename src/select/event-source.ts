/**
 * The event of a command: what it names is checked, git is asked what the payload needs, and the event is made, once for HEAD
 * and again for the working tree's own commit. What is wrong with the person's words is BAD_USAGE.
 */
import type { Value } from "../expression/template.ts";
import { changedFiles, readHistory } from "../git/history.ts";
import type { Repository } from "../git/repository.ts";
import { EngineError } from "../lib/engine-error.ts";
import { faultOfPayload } from "../plan/check-payload.ts";
import type { Event } from "../plan/event.ts";
import { rangeOf, refsOf, ZERO_SHA } from "../plan/event-revision.ts";
import { EVENT_NAMES, eventRule } from "../plan/event-rules.ts";
import { makeEvent } from "../plan/make-event.ts";
import { withWorkingTree } from "../plan/repository-facts.ts";
import { isSameCron, schedulesOf } from "../plan/schedule.ts";
import type { Workflow } from "../workflow/workflow.ts";

export interface EventSourceRequest {
  readonly event: string;
  /** Undefined: made from the repository. */
  readonly payload: { readonly [key: string]: Value } | undefined;
  readonly inputs: { readonly [name: string]: string };
  /** The cron expression that fires; undefined: every workflow's own first. */
  readonly schedule?: string | undefined;
}

export interface EventSource {
  /** `workingTree` undefined: of HEAD, uncommitted changes left out. */
  readonly at: (workingTree?: { readonly sha: string; readonly tree: string }) => Event;
}

/** `workflows`: those at hand, for what they start on. */
export async function createEventSource(
  request: EventSourceRequest,
  repository: Repository,
  workflows: readonly Workflow[],
  actor: string,
): Promise<EventSource> {
  const schedule = checkRequest(request, workflows);
  const triggers = workflows.flatMap((workflow) => workflow.triggers).filter(({ event }) => event === request.event);
  const given = request.payload ?? {};
  const history = await readHistory(repository, request.event, refsOf(given));
  const filtersPaths = triggers.some(({ paths, pathsIgnore }) => paths !== undefined || pathsIgnore !== undefined);
  // Finding out what changed costs two git processes and more, and few workflows ask.
  const range = rangeOf(given, repository.headSha) ?? { from: history?.base, to: undefined, sinceMergeBase: false };
  const changed = filtersPaths ? await changedFiles(repository, range) : undefined;
  const { event: name, payload, inputs } = request;
  return {
    at: (workingTree) =>
      makeEvent(
        {
          ...repository,
          headSha: workingTree?.sha ?? repository.headSha,
          history: workingTree === undefined ? history : withWorkingTree(history, workingTree),
        },
        { name, payload, inputs, actor, changedFiles: changed, triggers, schedule },
      ),
  };
}

/** Refs that an event of the working tree speaks of and that only GitHub would have. */
export function madeUpRefs({ ref, sha }: Event, { headSha }: Repository): readonly string[] {
  if (sha !== (headSha ?? ZERO_SHA)) return [];
  const pull = /^(?<at>refs\/pull\/\d+)\/merge$/u.exec(ref)?.groups?.["at"];
  return pull === undefined ? [ref].filter((name) => name.startsWith("refs/")) : [ref, `${pull}/head`];
}

/** Returns the schedule as the workflow that has it spells it. */
function checkRequest({ event, payload, schedule }: EventSourceRequest, workflows: readonly Workflow[]) {
  if (eventRule(event) === undefined) {
    throw new EngineError("BAD_USAGE", `There is no event '${event}' that starts workflows`, {
      hint: `There are: ${EVENT_NAMES.join(", ")}.`,
    });
  }
  const fault = payload === undefined ? undefined : faultOfPayload(event, payload);
  if (fault !== undefined) throw new EngineError("BAD_USAGE", `Cannot use the payload of ${event}: ${fault}`);
  if (schedule === undefined) return undefined;
  if (event !== "schedule") {
    throw new EngineError("BAD_USAGE", `--schedule is for the event schedule; the event is ${event}`);
  }
  const entries = workflows.flatMap(schedulesOf).map(({ cron }) => cron);
  const found = entries.find((cron) => isSameCron(cron, schedule));
  if (found !== undefined) return found;
  throw new EngineError("BAD_USAGE", `No workflow has the schedule '${schedule}'`, {
    hint: entries.length === 0 ? "None has a schedule." : `There are: ${[...new Set(entries)].join("; ")}.`,
  });
}
