/**
 * Runs planned workflows, at most so many at a time, in front of one view, and hears Ctrl-C: the first cancels what runs and
 * starts nothing more, the second ends everything at once. A run that cannot begin never stops the others.
 */
import type { RunOutcome } from "../engine/run-settings.ts";
import type { Plan } from "../plan/plan.ts";
import { createFairQueue } from "../queue/fair-queue.ts";
import type { RunEvent } from "../store/run-event.ts";
import { pauseLines } from "./decide.ts";
import type { Hearth, RunHandle, RunOptions } from "./hearth.ts";
import type { RunWatch } from "./run-watch.ts";
import { watchRun } from "./run-watch.ts";
import type { Terminal } from "./terminal.ts";
import type { View } from "./view.ts";
import { workflowLabel } from "./workflow-label.ts";

export type RunResult =
  | {
      readonly kind: "ended";
      readonly plan: Plan;
      readonly run: string;
      readonly watch: RunWatch;
      readonly outcome: RunOutcome;
    }
  /** It could not begin: an `EngineError`, or a fault of ours. */
  | { readonly kind: "not_started"; readonly plan: Plan; readonly error: unknown }
  /** Cancelled while it waited for a slot. */
  | { readonly kind: "not_reached"; readonly plan: Plan };

const cancelMessage =
  "Cancelling: steps are asked to stop, `always()` steps still run. Ctrl-C again ends everything at once.";
/** What comes again within this is the same key, passed on by npm. */
export const sameKeyMs = 100;
const killMessage = "Ending everything at once.";
const MAX_QUEUED = 10_000;

/** In the order of `plans`. `again`: the same is expected to be run once more. */
export async function runAll(
  hearth: Hearth,
  terminal: Terminal,
  view: View,
  plans: readonly Plan[],
  optionsOf: (plan: Plan) => Omit<RunOptions, "onEvent">,
  again: boolean,
): Promise<readonly RunResult[]> {
  const results = new Map<Plan, RunResult>();
  const queue = createFairQueue<Plan>({ maxLength: MAX_QUEUED });
  for (const plan of plans) queue.add(optionsOf(plan).repository, plan);
  const handles = new Set<RunHandle>();
  let interrupts = 0;
  let interruptedAtMs = Number.NEGATIVE_INFINITY;

  const stopListening = terminal.onInterrupt(() => {
    // npm passes on the signal that the terminal has sent us as well: what comes at once is the same key.
    if (terminal.now() - interruptedAtMs < sameKeyMs) return;
    interruptedAtMs = terminal.now();
    interrupts += 1;
    view.cancelling(interrupts === 1 ? cancelMessage : killMessage);
    handles.forEach(interrupt);
  });
  // Why there is no template is the same for each of thirty machines.
  const said = new Set<string>();
  const stopTelling = hearth.onMachineProgress((line) => {
    if (said.has(line)) return;
    said.add(line);
    view.progress(line);
  });

  function interrupt(handle: RunHandle): void {
    if (interrupts === 1) handle.cancel();
    if (interrupts > 1) handle.kill();
  }

  async function runOne(plan: Plan): Promise<RunResult> {
    const watch = watchRun(workflowLabel(plan.workflow.path));
    view.started(watch);
    try {
      const handle = await hearth.startRun(plan, {
        ...optionsOf(plan),
        onEvent: (event) => {
          watch.apply(event);
          view.event(watch, event);
          for (const line of noticesOf(event, watch.record.run ?? "")) view.progress(line);
        },
      });
      handles.add(handle);
      // It may have been asked for while the run was being made.
      interrupt(handle);
      const outcome = await handle.outcome;
      handles.delete(handle);
      return { kind: "ended", plan, run: handle.run, watch, outcome };
    } catch (error) {
      return { kind: "not_started", plan, error };
    } finally {
      view.ended(watch);
    }
  }

  async function work(): Promise<void> {
    for (let plan = queue.take(); plan !== undefined; plan = queue.take()) {
      view.waiting(queue.list().map(({ workflow }) => workflowLabel(workflow.path)));
      hearth.expectRuns(queue.size + (again ? plans.length : 0));
      results.set(plan, interrupts > 0 ? { kind: "not_reached", plan } : await runOne(plan));
    }
  }

  try {
    await Promise.all(Array.from({ length: Math.max(1, hearth.concurrency) }, work));
  } finally {
    stopListening();
    stopTelling();
  }
  return plans.map((plan) => results.get(plan) ?? { kind: "not_reached", plan });
}

/** What somebody is to know or do, whatever they look at. */
function noticesOf(event: RunEvent, run: string): readonly string[] {
  switch (event.type) {
    case "paused":
      return pauseLines(run, event.job, event.step);
    case "checkpoint_failed":
      return [`No moment of ${event.job} is kept from before step ${event.before} on: ${event.reason}`];
    default:
      return [];
  }
}
