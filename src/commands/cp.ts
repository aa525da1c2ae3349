/** `hearth cp`: files of the machine of a run that is going on, or of a kept run as it was before a step. */
import { EngineError } from "../lib/engine-error.ts";
import { copyIn, copyOut } from "./copy-files.ts";
import { plainText } from "./display-text.ts";
import { enterNamed } from "./enter-named.ts";
import { exitCode } from "./exit-code.ts";
import { withInterrupt } from "./interrupt.ts";
import { machineAt, openMoment, placeOf } from "./open-moment.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import type { Terminal } from "./terminal.ts";

export interface CopyOptions {
  readonly job?: string;
  readonly force?: boolean;
}

export async function copy(
  hearth: Hearth,
  terminal: Terminal,
  from: string,
  to: string,
  { job, force = false }: CopyOptions,
): Promise<ExitCode> {
  const [source, target] = [parsePlace(from), parsePlace(to)];
  const inRun = source.run === undefined ? target : source;
  if ((source.run === undefined) === (target.run === undefined) || inRun.run === undefined) {
    throw new EngineError("BAD_USAGE", "One of the two is to be RUN:PATH, and the other a path of this host", {
      hint: "A path of this host that has a colon begins with ./",
    });
  }
  if (target.step !== undefined) {
    throw new EngineError("BAD_USAGE", "Nothing can be copied into a moment that has passed", {
      hint: "hearth retry --sync brings changed files along; hearth rewind opens a shell there",
    });
  }
  try {
    await using undo = new AsyncDisposableStack();
    const { agent, cwd } =
      inRun.step === undefined
        ? undo.use(await enterNamed(hearth, inRun.run, job))
        : await enterMoment(hearth, terminal, { run: inRun.run, step: inRun.step, job }, undo);
    const local = source.run === undefined ? from : to;
    const wish = { inside: inRun.path, cwd, local, force };
    const went = source.run === undefined ? await copyIn(agent, wish) : await copyOut(agent, wish);
    terminal.err.write(`${plainText(went)}\n`);
    return exitCode.success;
  } finally {
    await hearth.close();
  }
}

/** A machine of its own, which is gone with `undo`: files that are put into it nobody would see again. */
async function enterMoment(
  hearth: Hearth,
  terminal: Terminal,
  { run, step, job }: { readonly run: string; readonly step: string; readonly job: string | undefined },
  undo: AsyncDisposableStack,
) {
  const opened = undo.use(await openMoment(hearth, run, { step, job }));
  terminal.err.write(`${plainText(`At ${placeOf(opened)}`)}\n`);
  const entered = undo.use(await withInterrupt(terminal, (signal) => machineAt(hearth, opened, "cp", signal)));
  return { agent: entered.machine.agent, cwd: opened.saved.shell.cwd };
}

interface Place {
  readonly run: string | undefined;
  /** Of a kept run, as it was before that step; undefined: as it is now. */
  readonly step?: string | undefined;
  readonly path: string;
}

/** A run's id has neither a slash nor a dot, so that paths of this host are told apart. */
function parsePlace(typed: string): Place {
  const [, run, step, path] = /^([a-z0-9]+)(?:@([^:]+))?:(.*)$/s.exec(typed) ?? [];
  return run === undefined || path === undefined ? { run: undefined, path: typed } : { run, step, path };
}
