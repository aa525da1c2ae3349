/**
 * One deadline for a server that does not answer: who asks first finds out for all, and nobody waits for it again in the same
 * command. What fails at once costs nothing, and is asked each time.
 */
import { EngineError } from "../lib/engine-error.ts";

export class ServerContact {
  readonly #url: string;
  readonly #answerWithinMs: number;
  #silent = false;

  constructor(url: string, answerWithinMs: number) {
    this.#url = url;
    this.#answerWithinMs = answerWithinMs;
  }

  /** `work` is a question with a short answer. Throws GIT_FAILED when none comes in time. */
  async ask<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#silent) throw this.#noAnswer();
    const deadline = AbortSignal.timeout(this.#answerWithinMs);
    try {
      return await work(AbortSignal.any([signal, deadline]));
    } catch (error) {
      if (!deadline.aborted || signal.aborted) throw error;
      this.#silent = true;
      throw this.#noAnswer();
    }
  }

  #noAnswer(): EngineError {
    return new EngineError("GIT_FAILED", `no answer from ${this.#url} within ${this.#answerWithinMs / 1000} s`);
  }
}
