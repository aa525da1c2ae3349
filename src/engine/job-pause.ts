/**
 * A job that stops at a failed step until somebody says how it goes on (`--pause-on-failure`). The machine stays as the step left it, and can
 * be entered meanwhile. The step has one fate, that of its last try.
 */
import type { JobState } from "./job-state.ts";

/** `abort` cancels the job. */
export type PauseDecision = "retry" | "continue" | "abort";

export class JobPause {
  readonly #aborted = new AbortController();
  #waiting: { readonly step: number; readonly resolve: (decision: PauseDecision) => void } | undefined;

  /** Aborted when the job is to be cancelled. */
  get aborted(): AbortSignal {
    return this.#aborted.signal;
  }

  /** Number of the step that it waits at. */
  get step(): number | undefined {
    return this.#waiting?.step;
  }

  /** False where the job does not wait. */
  decide(decision: PauseDecision): boolean {
    const waiting = this.#waiting;
    if (waiting === undefined) return false;
    if (decision === "abort") this.#aborted.abort();
    waiting.resolve(decision);
    return true;
  }

  /** `continue` when one of the signals comes first. */
  async wait(step: number, signals: readonly AbortSignal[]): Promise<PauseDecision> {
    const { promise, resolve } = Promise.withResolvers<PauseDecision>();
    const until = AbortSignal.any([...signals]);
    const giveUp = (): void => resolve("continue");
    if (until.aborted) giveUp();
    until.addEventListener("abort", giveUp, { once: true });
    this.#waiting = { step, resolve };
    try {
      return await promise;
    } finally {
      this.#waiting = undefined;
      until.removeEventListener("abort", giveUp);
    }
  }
}

/** What a step may change of the job before its result counts: put back when it is tried again. */
export function rememberState(state: JobState): () => void {
  const { status, env, path, scope } = state;
  const steps = { ...scope.steps };
  const [ownEnv, ownPath] = [{ ...env }, [...path]];
  const posts = [...state.posts];
  return () => {
    state.status = status;
    for (const name of Object.keys(state.env)) delete state.env[name];
    Object.assign(state.env, ownEnv);
    state.path = ownPath;
    for (const id of Object.keys(scope.steps)) delete scope.steps[id];
    Object.assign(scope.steps, steps);
    state.posts.splice(0, state.posts.length, ...posts);
  };
}
