/** `concurrency:` of a workflow or a job, evaluated, and the wait for its turn (ACTIONS-CONTRACT §3.6). */
import { isMapping, member } from "../context/mapping.ts";
import { ExpressionError, evaluate, toText } from "../expression/evaluate.ts";
import { orRefused } from "../expression/or-refused.ts";
import type { Scope as ExpressionScope } from "../expression/evaluate.ts";
import type { Template } from "../expression/template.ts";
import type { JobKey } from "../store/run-event.ts";
import { booleanOf } from "./typed-value.ts";
import { cancelReason } from "./workflow-run.ts";
import type { WorkflowRun } from "./workflow-run.ts";

export type GroupEntry =
  /** Disposing gives the group to the next. */
  | {
      readonly kind: "in";
      readonly hold: Disposable;
      /** Also aborted, with the reason as a text, when another of the group takes its place. */
      readonly cancel: AbortSignal;
      /** Those on the way here and this one. */
      readonly heldGroups: WorkflowRun["heldGroups"];
    }
  | { readonly kind: "cancelled"; readonly reason: string }
  | { readonly kind: "refused"; readonly message: string };

export interface GroupEntrant {
  readonly template: Template | undefined;
  readonly scope: ExpressionScope;
  /** The job that enters; undefined for the run as a whole. */
  readonly job: JobKey | undefined;
  /** Of the one who enters: ends the wait. */
  readonly cancel: AbortSignal;
}

/** Resolves when it is this one's turn, or when it will never be. */
export async function enterGroup(workflow: WorkflowRun, entrant: GroupEntrant): Promise<GroupEntry> {
  const { run, heldGroups } = workflow;
  const { template, scope, job } = entrant;
  const free: GroupEntry = { kind: "in", hold: nothing, cancel: entrant.cancel, heldGroups };
  if (template === undefined) return free;
  const evaluated = orRefused(() => concurrencyWish(template, scope));
  if (evaluated.kind === "refused") return evaluated;
  const wish = evaluated.value;
  const { group } = wish;
  // An empty name is no group.
  if (group === "") return free;
  if (heldGroups.has(group.toLowerCase())) {
    return { kind: "cancelled", reason: `a deadlock: what called it holds the concurrency group '${group}' already` };
  }
  const { owner, name } = run.plan.event.repository;
  const superseded = new AbortController();
  const cancel = AbortSignal.any([entrant.cancel, superseded.signal]);
  const hold = await run.dependencies.concurrency.enter(
    {
      ...wish,
      repository: `${owner}/${name}`,
      signal: cancel,
      onCancel: (reason) => superseded.abort(reason),
    },
    () => run.emit({ type: "waiting", ...(job === undefined ? {} : { job }), group: run.masker.mask(group) }),
  );
  if (hold === undefined) return { kind: "cancelled", reason: cancelReason(cancel) };
  return { kind: "in", hold, cancel, heldGroups: new Set([...heldGroups, group.toLowerCase()]) };
}

interface ConcurrencyWish {
  readonly group: string;
  readonly cancelInProgress: boolean;
  readonly queue: "single" | "max";
}

const nothing: Disposable = { [Symbol.dispose]: () => undefined };

function concurrencyWish(template: Template, scope: ExpressionScope): ConcurrencyWish {
  const value = evaluate(template, scope);
  if (!isMapping(value)) return { group: toText(value), cancelInProgress: false, queue: "single" };
  const queue = toText(member(value, "queue") ?? "single").toLowerCase();
  if (queue !== "single" && queue !== "max") {
    throw new ExpressionError(`'concurrency.queue' is 'single' or 'max', got '${queue}'`);
  }
  const group = toText(member(value, "group") ?? "");
  return {
    group,
    cancelInProgress: booleanOf(member(value, "cancel-in-progress") ?? false, "cancel-in-progress"),
    queue,
  };
}
