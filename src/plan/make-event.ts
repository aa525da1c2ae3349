/**
 * An event of the repository as it is now, for runs from the command line: what GitHub would say had this working tree been
 * pushed, opened as a pull request, dispatched. A payload that the user gives is taken as it is, but for the `action` where it
 * names none; what it says of commit, ref and branches counts. Source: ACTIONS-CONTRACT §7.2.
 */
import type { Value } from "../expression/template.ts";
import type { Trigger } from "../workflow/workflow.ts";
import { chooseActivity } from "./choose-activity.ts";
import type { Event } from "./event.ts";
import { makePayload } from "./event-payload.ts";
import { revisionOf } from "./event-revision.ts";
import { textAt } from "./payload-text.ts";
import type { RepositoryFacts } from "./repository-facts.ts";

export interface EventRequest {
  readonly name: string;
  /** Undefined: made here. */
  readonly payload: { readonly [key: string]: Value } | undefined;
  readonly inputs: { readonly [name: string]: string };
  readonly actor: string;
  readonly changedFiles: readonly string[] | undefined;
  /** Of the workflows at hand: what they start on decides what happened, where nobody has said it. */
  readonly triggers?: readonly Trigger[];
  /** The cron expression that fired; undefined: every workflow's own. */
  readonly schedule?: string | undefined;
}

export function makeEvent(facts: RepositoryFacts, request: EventRequest): Event {
  const payload = payloadOf(facts, request);
  return {
    name: request.name,
    payload,
    ...revisionOf(request.name, payload, facts),
    actor: textAt(payload, "sender", "login") ?? request.actor,
    repository: { owner: facts.owner, name: facts.name, defaultBranch: facts.defaultBranch },
    changedFiles: request.changedFiles,
    headCommitMessage: headCommitMessage(payload, facts),
  };
}

function payloadOf(facts: RepositoryFacts, request: EventRequest): Event["payload"] {
  const { name, payload, inputs, actor, triggers = [], schedule } = request;
  const activity = chooseActivity(name, triggers, schedule);
  if (payload === undefined) return makePayload(facts, { event: name, activity, inputs, actor });
  const action = payload["action"] ?? payload["event_type"] ?? activity.action;
  return typeof action === "string" ? { action, ...payload } : payload;
}

/** Of a push its last commit's, of a pull request its head's; empty when it is not the commit that is checked out. */
function headCommitMessage(
  payload: Event["payload"],
  { headSha, headCommitMessage: message }: RepositoryFacts,
): string {
  const pushed = textAt(payload, "head_commit", "message");
  if (pushed !== undefined) return pushed;
  const head = textAt(payload, "pull_request", "head", "sha") ?? textAt(payload, "after");
  return head === undefined || head === headSha ? message : "";
}
