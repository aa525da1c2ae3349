/** `hearth rewind`: a shell, or one command, in a machine as it was before a step of a kept run. */
import { plainText } from "./display-text.ts";
import type { Hearth } from "./hearth.ts";
import { machineAt, openMoment, placeOf } from "./open-moment.ts";
import { runInMachine } from "./run-in-machine.ts";
import type { Terminal } from "./terminal.ts";

export interface RewindOptions {
  readonly to?: string;
  readonly job?: string;
  readonly exec?: string;
}

/** Resolves with the exit code of the shell or the command. */
export async function rewind(
  hearth: Hearth,
  terminal: Terminal,
  prefix: string | undefined,
  { to, job, exec }: RewindOptions,
): Promise<number> {
  const stop = new AbortController();
  const stopListening = terminal.onInterrupt(() => stop.abort());
  try {
    await using opened = await openMoment(hearth, prefix, { step: to, job });
    terminal.err.write(`${plainText(`At ${placeOf(opened)}`)}\n`);
    await using machine = await machineAt(hearth, opened, "rewind", stop.signal);
    return await runInMachine(machine.machine.agent, opened.saved.shell, exec ?? "", {
      onOutput: (stream, text) => (stream === "stdout" ? terminal.out : terminal.err).write(text),
      stop: stop.signal,
    });
  } finally {
    stopListening();
    await hearth.close();
  }
}
