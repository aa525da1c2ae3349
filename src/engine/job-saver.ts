/**
 * Takes checkpoints of a job, between its steps. The machine is held up while it is saved; what was saved is put away while the next
 * step runs. A checkpoint that cannot be taken is said once and then no more are tried: it never fails the job.
 */
import type { JobDoor } from "../door/live-job.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { PlannedStep } from "../plan/plan.ts";
import type { CheckpointDraft, Checkpoints, SavedMachine } from "../checkpoint/checkpoints.ts";
import type { JobRun, StepSaver } from "./job-run.ts";
import { textsOf, writeSavedJob } from "./saved-job.ts";
import type { EndedJob, SavedJob } from "./saved-job.ts";
import { shellPlace } from "./shell-place.ts";
import { stepName } from "./step-name.ts";

/** With `auto` a checkpoint is due when the time since the last one is so many times what one costs. */
const SHARE = 20;
/** Until one was taken. */
const FIRST_COST_MS = 250;
const FIRST_BYTES = 32 << 20;

export interface JobSaverOptions {
  readonly run: string;
  readonly checkpoints: Checkpoints;
  readonly machine: SavedMachine;
  readonly ended: ReadonlyMap<string, EndedJob>;
  readonly door: JobDoor | undefined;
  /** On the run's clock, in ms. */
  readonly now: () => number;
}

export class JobSaver implements StepSaver {
  readonly #options: JobSaverOptions;
  #lastAtMs: number;
  #costMs = FIRST_COST_MS;
  #bytes = FIRST_BYTES;
  #isOff = false;
  #keeping: Promise<void> | undefined;

  constructor(options: JobSaverOptions) {
    this.#options = options;
    this.#lastAtMs = options.now();
  }

  /**
   * Before the step, if it is due. With steps in the background there is nothing to save the job as, and a cancelled one only comes
   * to its end; somebody who looks around in the machine would be put out. Throws MACHINE_LOST, or the reason of `job.kill`.
   */
  async before(job: JobRun, next: PlannedStep): Promise<void> {
    const { door } = this.#options;
    const { when } = this.#options.checkpoints;
    const { background } = job.state;
    if (this.#isOff || job.cancel.aborted || background.some(({ left }) => left === undefined)) return;
    if (door !== undefined && door.visitors(job.instance.key) > 0) return;
    if (when === "auto" && !this.#isDue(job)) return;
    await this.#keeping;
    await this.#save(job, next);
  }

  /** Resolves when nothing is being put away any more. */
  async settled(): Promise<void> {
    await this.#keeping;
  }

  /** Connections would end: a person who asked for every step knows, one who did not is not to find a download cut. */
  #isDue({ machine }: JobRun): boolean {
    const sinceMs = this.#options.now() - this.#lastAtMs;
    return sinceMs >= SHARE * this.#costMs && this.#keeping === undefined && machine.connections() === 0;
  }

  async #save(job: JobRun, next: PlannedStep): Promise<void> {
    const { checkpoints, now } = this.#options;
    const startedAtMs = now();
    let draft: CheckpointDraft;
    try {
      draft = await checkpoints.begin(this.#bytes);
    } catch (error) {
      return this.#giveUp(job, next, error);
    }
    await using undo = new AsyncDisposableStack();
    undo.use(draft);
    const failure = await job.machine.save?.(draft.directory, job.kill);
    if (failure !== undefined) return this.#giveUp(job, next, new EngineError("CHECKPOINT_UNUSABLE", failure));
    const engine = writeSavedJob(savedJobOf(job, next.step.number, this.#options.ended));
    const tookMs = now() - startedAtMs;
    undo.move();
    this.#keeping = this.#keep(job, next, draft, { engine, tookMs });
  }

  async #keep(
    job: JobRun,
    next: PlannedStep,
    draft: CheckpointDraft,
    { engine, tookMs }: { readonly engine: Buffer; readonly tookMs: number },
  ): Promise<void> {
    await using held = draft;
    const { run, machine, now } = this.#options;
    const { key } = job.instance;
    const { number } = next.step;
    const keptFromMs = now();
    this.#lastAtMs = keptFromMs;
    try {
      const name = job.masker.mask(stepName(job, next.step));
      const where = { run, job: key, step: number, stepName: name };
      const taken = { ...where, provider: machine.provider, tookMs: Math.round(tookMs) };
      const { machineBytes, addedBytes } = await held.keep(taken, engine);
      this.#bytes = machineBytes;
      // Putting it away takes a core from the step that runs meanwhile.
      this.#costMs = tookMs + now() - keptFromMs;
      const durationMs = Math.round(tookMs);
      job.emit({ type: "checkpoint", job: key, before: number, durationMs, machineBytes, addedBytes });
    } catch (error) {
      this.#giveUp(job, next, error);
    } finally {
      this.#keeping = undefined;
    }
  }

  #giveUp(job: JobRun, { step }: PlannedStep, error: unknown): void {
    this.#isOff = true;
    const reason = error instanceof Error ? error.message : String(error);
    job.emit({ type: "checkpoint_failed", job: job.instance.key, before: step.number, reason });
  }
}

/** The job as it is now; `step`: number of the one that comes next. Shares the job's state: to be written before that goes on. */
export function savedJobOf(job: JobRun, step: number, ended: ReadonlyMap<string, EndedJob>): SavedJob {
  return {
    job: job.instance.key,
    step,
    machine: job.machine.made,
    state: job.state,
    trackingId: job.trackingId,
    masks: job.masker.snapshot(),
    matchers: job.matchers.snapshot(),
    ended,
    texts: textsOf(job.workflow, job.instance),
    shell: shellPlace(job),
  };
}
