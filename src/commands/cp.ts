/** `hearth cp`: files of the machine of a run that is going on. */
import { EngineError } from "../lib/engine-error.ts";
import { copyIn, copyOut } from "./copy-files.ts";
import { plainText } from "./display-text.ts";
import { enterNamed } from "./enter-named.ts";
import { exitCode } from "./exit-code.ts";
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
  try {
    await using inside = await enterNamed(hearth, inRun.run, job);
    const { agent, cwd } = inside;
    const local = source.run === undefined ? from : to;
    const wish = { inside: inRun.path, cwd, local, force };
    const went = source.run === undefined ? await copyIn(agent, wish) : await copyOut(agent, wish);
    terminal.err.write(`${plainText(went)}\n`);
    return exitCode.success;
  } finally {
    await hearth.close();
  }
}

interface Place {
  readonly run: string | undefined;
  readonly path: string;
}

/** A run's id has neither a slash nor a dot, so that paths of this host are told apart. */
function parsePlace(typed: string): Place {
  const match = /^([a-z0-9]+):(.*)$/s.exec(typed);
  return match === null ? { run: undefined, path: typed } : { run: match[1], path: match[2] ?? "" };
}
