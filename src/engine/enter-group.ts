/** `concurrency:` of a workflow or a job, evaluated, and the wait for its turn (ACTIONS-CONTRACT §3.6). */
import { isMapping, member } from "../context/mapping.ts";
import { ExpressionError, evaluate, toText } from "../expression/evaluate.ts";
import type { Scope as ExpressionScope } from "../expression/evaluate.ts";
import type { Template } from "../expression/template.ts";
import type { JobKey } from "../store/run-event.ts";
import { booleanOf } from "./typed-value.ts";
import type { WorkflowRun } from "./workflow-run.ts";

export type GroupEntry =
  /** `group` in lower case; undefined where there is none. Disposing gives the group to the next. */
  | { readonly kind: "in"; readonly group: string | undefined; readonly hold: Disposable }
  | { readonly kind: "cancelled"; readonly reason: string }
  | { readonly kind: "refused"; readonly message: string };

export interface GroupEntrant {
  readonly template: Template | undefined;
  readonly scope: ExpressionScope;
  /** The job that enters; undefined for the run as a whole. */
  readonly job: JobKey | undefined;
  /** Cancelled while it waits. */
  readonly cancel: AbortSignal;
  /** Called with the reason when another of the group takes its place. */
  readonly onCancel: (reason: string) => void;
}

/** Resolves when it is this one's turn, or when it will never be. */
export async function enterGroup(workflow: WorkflowRun, entrant: GroupEntrant): Promise<GroupEntry> {
  const { run } = workflow;
  const { template, scope, job, cancel } = entrant;
  if (template === undefined) return { kind: "in", group: undefined, hold: nothing };
  let wish: ConcurrencyWish;
  try {
    wish = concurrencyWish(template, scope);
  } catch (error) {
    if (error instanceof ExpressionError) return { kind: "refused", message: error.message };
    throw error;
  }
  const { group } = wish;
  // An empty name is no group.
  if (group === "") return { kind: "in", group: undefined, hold: nothing };
  if (workflow.heldGroups.has(group.toLowerCase())) {
    return { kind: "cancelled", reason: `a deadlock: what called it holds the concurrency group '${group}' already` };
  }
  const { owner, name } = run.plan.event.repository;
  let reason: string | undefined;
  const hold = await run.dependencies.concurrency.enter(
    {
      ...wish,
      repository: `${owner}/${name}`,
      signal: cancel,
      onCancel(why) {
        reason = why;
        entrant.onCancel(why);
      },
    },
    () => run.emit({ type: "waiting", ...(job === undefined ? {} : { job }), group: run.masker.mask(group) }),
  );
  if (hold === undefined) return { kind: "cancelled", reason: reason ?? "the run was cancelled" };
  return { kind: "in", group: group.toLowerCase(), hold };
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
