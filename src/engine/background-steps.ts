/**
 * Steps of a job that run beside the others, at most ten at once (ACTIONS-CONTRACT §3.4;
 * https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsbackground). What they come
 * to is data in the job's state; here is what cannot be saved: what still runs, and how to end it. Each has one fate, also
 * when it never got a place: it was cancelled before that, the run was killed, or the machine was lost.
 */
import { EngineError } from "../lib/engine-error.ts";
import type { PlannedStep } from "../plan/plan.ts";
import type { Fate } from "../store/run-event.ts";
import type { JobRun } from "./job-run.ts";
import { leave, ownState } from "./job-state.ts";
import type { BackgroundStep } from "./job-state.ts";
import { concludeWithoutRunning } from "./report-step.ts";
import type { StepEnd } from "./run-step.ts";
import { stepName } from "./step-name.ts";

const MAX_BACKGROUND_STEPS = 10;

const SKIPPED = { outputs: {}, outcome: "skipped", conclusion: "skipped" } as const;

/** Runs and reports one step, in a job whose state is its own. */
export type RunBeside = (job: JobRun, planned: PlannedStep, stop: AbortSignal) => Promise<StepEnd>;

interface Running {
  readonly ended: Promise<void>;
  readonly stop: AbortController;
}

export class BackgroundSteps {
  #freePlaces = MAX_BACKGROUND_STEPS;
  /** In the order of their turns. */
  readonly #waiting: (() => void)[] = [];
  readonly #running = new Map<BackgroundStep, Running>();
  readonly #broken = new AbortController();
  #fault: { readonly error: unknown } | undefined;

  /** Aborted when one of them met what ends the job, a lost machine mostly: nothing of the job may go on. */
  get broken(): AbortSignal {
    return this.#broken.signal;
  }

  /** Does not wait. An eleventh step waits for a place, with the state that the job has now. */
  start(job: JobRun, planned: PlannedStep, run: RunBeside): BackgroundStep {
    const { number, id, idGiven } = planned.step;
    const step: BackgroundStep = {
      number,
      id,
      idGiven,
      name: stepName(job, planned.step),
      left: undefined,
      collectedBy: undefined,
    };
    job.state.background.push(step);
    const stop = new AbortController();
    const own = { ...job, state: ownState(job.state) };
    this.#running.set(step, { stop, ended: this.#run(own, step, stop.signal, planned, run) });
    return step;
  }

  /** Resolves when these have ended. Throws what ended the job in any of them. */
  async ended(steps: readonly BackgroundStep[]): Promise<void> {
    await Promise.all(steps.flatMap((step) => this.#running.get(step)?.ended ?? []));
    if (this.#fault !== undefined) throw this.#fault.error;
  }

  /** Those that run are ended as a cancelled job's steps are; those that wait for a place never start. */
  stop(steps: readonly BackgroundStep[]): void {
    for (const step of steps) this.#running.get(step)?.stop.abort();
  }

  /** After `error` has ended the job: resolves when nothing of it runs any more, and every step that was started has its fate. */
  async abandon(error: unknown): Promise<void> {
    this.#break(error);
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  async #run(
    job: JobRun,
    step: BackgroundStep,
    stop: AbortSignal,
    planned: PlannedStep,
    run: RunBeside,
  ): Promise<void> {
    const giveUp = AbortSignal.any([stop, job.kill]);
    const notStarted = (): void => {
      concludeWithoutRunning(job.emit, job.instance.key, [planned], this.#whyNotStarted(stop));
      leave(step, { outputs: {}, outcome: "cancelled", conclusion: "cancelled" }, job.state);
    };
    if (giveUp.aborted) return notStarted();
    // Without a promise where a place is free: the step starts before the one after it.
    if (this.#freePlaces > 0) this.#freePlaces -= 1;
    else if (!(await this.#placeBefore(giveUp))) return notStarted();
    try {
      if (giveUp.aborted) return notStarted();
      const end = await run(job, planned, job.cancel.aborted ? stop : AbortSignal.any([stop, job.cancel]));
      leave(step, end.kind === "skipped" ? SKIPPED : end, job.state);
    } catch (error) {
      this.#break(error);
    } finally {
      this.#giveBack();
    }
  }

  /** Whether it got a place before `giveUp` came. */
  #placeBefore(giveUp: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const take = (): void => resolve(true);
      this.#waiting.push(take);
      giveUp.addEventListener(
        "abort",
        () => {
          const index = this.#waiting.indexOf(take);
          if (index >= 0) this.#waiting.splice(index, 1);
          resolve(false);
        },
        { once: true },
      );
    });
  }

  #giveBack(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#freePlaces += 1;
    else next();
  }

  #whyNotStarted(stop: AbortSignal): Exclude<Fate, { kind: "ran" }> {
    if (this.#fault !== undefined) return { kind: "not_reached", reason: whyLost(this.#fault.error) };
    const reason = stop.aborted ? "it was cancelled before it could start" : "the run was ended at once";
    return { kind: "cancelled", reason };
  }

  #break(error: unknown): void {
    this.#fault ??= { error };
    this.#broken.abort();
  }
}

/** For the record of what comes after it. */
export function whyLost(error: unknown): string {
  if (!(error instanceof EngineError)) return "a fault in Hearth ended the job";
  return error.code === "GUEST_REFUSED" ? error.message : `the machine was lost: ${error.message}`;
}
