/** `hearth rewind`: a shell, or one command, in a machine as it was before a step of a kept run. The run itself stays what it was. */
import { plainText } from "./display-text.ts";
import type { Hearth } from "./hearth.ts";
import { withInterrupt } from "./interrupt.ts";
import { machineAt, openMoment, placeOf } from "./open-moment.ts";
import { runExec, runShell } from "./shell-session.ts";
import type { Terminal } from "./terminal.ts";

export interface RewindOptions {
  readonly to?: string;
  readonly job?: string;
  readonly exec?: string;
}

/** Resolves with the shell's or the command's own exit code. */
export async function rewind(
  hearth: Hearth,
  terminal: Terminal,
  prefix: string | undefined,
  { to, job, exec }: RewindOptions,
): Promise<number> {
  const { err } = terminal;
  const say = (line: string): void => err.write(`${err.colors.dim(plainText(line))}\n`);
  try {
    await using opened = await openMoment(hearth, prefix, { step: to, job });
    say(`At ${placeOf(opened)}`);
    await using entered = await withInterrupt(terminal, (signal) => machineAt(hearth, opened, "rewind", signal));
    const { agent } = entered.machine;
    const place = { ...opened.saved.shell, user: "runner" } as const;
    if (exec !== undefined) return await runExec(agent, terminal, { ...place, command: exec });
    if (terminal.screen.hasKeyboard) say("What is done here is gone with the shell, and what it prints is not masked.");
    return await runShell(agent, terminal, place);
  } finally {
    await hearth.close();
  }
}
