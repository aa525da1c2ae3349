/**
 * Cells of a matrix whose first steps are the same (`matrix-fork-tree.ts`) run them once: the machine is saved where they part, and the
 * other cells go on in copies of their own. A cell waits for the one that it shares most with, which stands before it in the matrix and
 * so has its turn first; that one never waits for it. Where nothing comes of it the cell runs all of its steps itself.
 */
import type { Job, Workflow } from "../workflow/workflow.ts";
import type { PlannedStep, Way } from "../plan/plan.ts";
import type { JobKey, RunEventBody } from "../store/run-event.ts";
import type { JobFork, JobInstance, JobRun } from "./job-run.ts";
import { savedJobOf } from "./job-saver.ts";
import { hasPre, remoteActionOf } from "./known-action.ts";
import type { Copy, ForkMoment } from "./matrix-fork-copy.ts";
import type { ForkDirectories, ForkDirectory } from "./matrix-fork-directories.ts";
import { readsCell } from "./matrix-fork-reads.ts";
import { sharedStepOf } from "./matrix-fork-shared.ts";
import type { SharedSteps } from "./matrix-fork-shared.ts";
import { branchesOf } from "./matrix-fork-tree.ts";
import type { RunContext } from "./run-context.ts";
import { writeSavedJob } from "./saved-job.ts";
import type { WorkflowRun } from "./workflow-run.ts";

/** The cells of one matrix. Disposal waits until nothing of them lies about. */
export interface MatrixFork extends AsyncDisposable {
  /** The cell has its turn; undefined for one that shares nothing. Disposing: it has ended, however. */
  enter(key: JobKey): ForkCell | undefined;
}

/** `instances`: all cells of one job. */
export function forkMatrix(
  { run, planned }: Pick<WorkflowRun, "run" | "planned">,
  instances: readonly JobInstance<Job>[],
): MatrixFork {
  const { forks } = run.dependencies;
  const known = instances.filter(isStepsInstance).filter((cell) => mayRun(run, cell));
  // Jobs of a concurrency group wait for one another's end.
  const isPlain = run.settings.resumption === undefined && known[0]?.job.concurrency === undefined;
  const cells = forks === undefined || !isPlain ? [] : treeOf(planned.workflow, known, { run, forks });
  const byKey = new Map(cells.filter((cell) => cell.isInTree).map((cell) => [cell.key, cell]));
  return {
    enter: (key) => byKey.get(key),
    async [Symbol.asyncDispose]() {
      for (const cell of cells) await (await cell.origin())?.[Symbol.asyncDispose]();
    },
  };
}

function treeOf(
  workflow: Workflow,
  known: readonly JobInstance[],
  { run, forks }: { readonly run: RunContext; readonly forks: ForkDirectories },
): readonly ForkCell[] {
  const cells = known.map(({ key }) => new ForkCell(key, run, forks));
  for (const [index, branch] of branchesOf(workflow, known).entries()) {
    const [child, parent] = [cells[index], branch && cells[branch.parent]];
    if (branch !== undefined && child !== undefined) parent?.expect(child, branch.before);
  }
  return cells;
}

interface Expected {
  readonly cell: ForkCell;
  readonly before: number;
  /** Undefined: it is to run on its own. */
  readonly answer: (copy: Copy | undefined) => void;
}

/** What one cell has to do with the others. */
export class ForkCell implements JobFork, Disposable {
  readonly key: JobKey;
  readonly #run: RunContext;
  readonly #forks: ForkDirectories;
  /** Cells that go on from this one, until they are answered. */
  #expected: readonly Expected[] = [];
  #isParent = false;
  #origin: Promise<Copy | undefined> | undefined;
  #parent: JobKey | undefined;
  #hasEnded = false;
  /** What became of its steps, and of those that it shares with the one it goes on from. */
  #shared: SharedSteps = new Map();
  #startedAtMs = 0;
  #usedBeforeMs = 0;
  #formerTokens: readonly string[] = [];

  constructor(key: JobKey, run: RunContext, forks: ForkDirectories) {
    this.key = key;
    this.#run = run;
    this.#forks = forks;
  }

  /** Others are to go on from it. */
  get isParent(): boolean {
    return this.#isParent;
  }

  get isInTree(): boolean {
    return this.#isParent || this.#origin !== undefined;
  }

  /** `cell` goes on from this one, as it is before that step. */
  expect(cell: ForkCell, before: number): void {
    const { promise, resolve } = Promise.withResolvers<Copy | undefined>();
    this.#isParent = true;
    this.#expected = [...this.#expected, { cell, before, answer: resolve }];
    cell.#origin = promise;
    cell.#parent = this.key;
  }

  /** Resolves when the cell can start: with what it goes on from, or undefined when it is to run on its own. */
  async origin(): Promise<Copy | undefined> {
    return this.#origin;
  }

  /** For the job's own events: notes what became of its steps. */
  listening(emit: JobRun["emit"]): JobRun["emit"] {
    return (event: RunEventBody) => {
      if (event.type === "step_completed" && event.phase === "main") {
        const shared = sharedStepOf(event.job, event.fate);
        if (shared !== undefined) this.#shared = new Map([...this.#shared, [Number(event.step), shared]]);
      }
      emit(event);
    };
  }

  /** The job starts; `moment`: it goes on from there. */
  started(moment: ForkMoment | undefined): void {
    this.#startedAtMs = this.#run.dependencies.now();
    this.#usedBeforeMs = moment?.usedMs ?? 0;
    this.#formerTokens = moment?.formerTokens ?? [];
  }

  /**
   * The job is set up, so its actions are known: sharing ends before the first that sees the cell past its inputs, and nothing is shared
   * where an action has something to run before the first step that the other cell would have run in its own way.
   */
  settle(job: JobRun): void {
    const { steps } = job.instance;
    const unsure = steps.find(({ way }) => seesCell(job, way))?.step.number ?? Infinity;
    const lastPre = steps.findLast(({ way }) => hasPre(job, way))?.step.number ?? 0;
    this.#expected = this.#expected.flatMap((expected) => {
      const before = Math.min(expected.before, unsure);
      if (before > 1 && lastPre < before) return [{ ...expected, before }];
      expected.answer(undefined);
      return [];
    });
    if (job.machine.save !== undefined || this.#expected.length === 0) return;
    this.#giveUp(this.#expected, `provider ${job.machine.made.provider} cannot save a machine`);
  }

  /**
   * Before the step (undefined: after the last one, before the posts): saves the machine for the cells that go on from here. What
   * cannot be saved is said. Throws MACHINE_LOST, or the reason of `job.kill`.
   */
  async before(job: JobRun, next: PlannedStep | undefined): Promise<void> {
    const number = next?.step.number ?? job.instance.steps.length + 1;
    const due = this.#expected.filter(({ cell, before }) => before === number && !cell.#hasEnded);
    // A cancelled job is nothing to go on from: what the others come to is decided for each of them.
    if (due.length === 0 || job.cancel.aborted) return;
    const { now } = this.#run.dependencies;
    const fromMs = now();
    await using undo = new AsyncDisposableStack();
    let directory: ForkDirectory;
    try {
      directory = undo.use(await this.#forks.make(job.machine.memoryMib * 2 ** 20));
    } catch (error) {
      return this.#giveUp(due, error instanceof Error ? error.message : String(error));
    }
    const failure = await job.machine.save?.(directory.path, job.kill);
    if (failure !== undefined) return this.#giveUp(due, failure);
    const moment: ForkMoment = {
      run: this.#run.settings.run,
      directory: directory.path,
      engine: writeSavedJob(savedJobOf(job, number, this.#run.ended)),
      tokens: { job: job.token, services: await job.services.tokens() },
      formerTokens: [...this.#formerTokens, job.token],
      shared: new Map([...this.#shared].filter(([step]) => step < number)),
      usedMs: this.#usedBeforeMs + now() - this.#startedAtMs,
    };
    undo.move();
    const copies = copiesOf(moment, directory, due.length);
    job.emit({
      type: "matrix_fork",
      job: this.key,
      before: number,
      cells: due.map(({ cell }) => cell.key),
      durationMs: Math.round(now() - fromMs),
    });
    this.#answer(due, copies);
  }

  /** Its copy could not be made; it runs on its own. */
  couldNotStart(reason: string): undefined {
    this.#run.emit({ type: "matrix_fork_failed", job: this.#parent ?? this.key, cells: [this.key], reason });
  }

  /** Whatever became of it: nobody waits for it any more. */
  [Symbol.dispose](): void {
    this.#hasEnded = true;
    this.#answer(this.#expected, []);
    // One that never started has its share still, or will be given it.
    void this.#origin?.then((copy) => copy?.[Symbol.asyncDispose]());
  }

  #giveUp(expected: readonly Expected[], reason: string): void {
    this.#run.emit({ type: "matrix_fork_failed", job: this.key, cells: expected.map(({ cell }) => cell.key), reason });
    this.#answer(expected, []);
  }

  #answer(expected: readonly Expected[], copies: readonly Copy[]): void {
    for (const [index, { answer }] of expected.entries()) answer(copies[index]);
    this.#expected = this.#expected.filter((one) => !expected.includes(one));
  }
}

function copiesOf(moment: ForkMoment, directory: ForkDirectory, count: number): readonly Copy[] {
  let left = count;
  const giveUp = async (): Promise<void> => {
    left -= 1;
    if (left === 0) await directory[Symbol.asyncDispose]();
  };
  return Array.from({ length: count }, (): Copy => {
    let givenUp: Promise<void> | undefined;
    return { moment, [Symbol.asyncDispose]: () => (givenUp ??= giveUp()) };
  });
}

/** Past what `with` gives it: by the defaults of its inputs, or in its own steps. */
function seesCell(job: JobRun, way: Way): boolean {
  const inner = way.kind === "composite" || way.kind === "translated" ? way.steps : [];
  return readsCell(remoteActionOf(job, way)?.manifest) || inner.some((step) => seesCell(job, step.way));
}

function mayRun({ settings }: RunContext, { key, unsupported }: JobInstance): boolean {
  return unsupported === undefined && settings.earlier?.succeeded.has(key) !== true;
}

function isStepsInstance(instance: JobInstance<Job>): instance is JobInstance {
  return instance.job.kind === "steps";
}
