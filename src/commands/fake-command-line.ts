/** Runs `hearth …` against a fake Hearth and a fake terminal, for tests of commands from argv to exit code. */
import { fakeHearth } from "./fake-hearth.ts";
import type { FakeHearth, FakeHearthOptions } from "./fake-hearth.ts";
import { fakeTerminal } from "./fake-terminal.ts";
import type { FakeTerminal, FakeTerminalOptions } from "./fake-terminal.ts";
import type { Flags } from "./hearth.ts";
import { runCommandLine } from "./command-line.ts";

export interface Invocation {
  readonly hearth: FakeHearth;
  readonly terminal: FakeTerminal;
  /** What the command was connected with; undefined: it needed no Hearth. */
  readonly flags: () => Flags | undefined;
  readonly code: Promise<number>;
}

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly hearth: FakeHearth;
  readonly flags: Flags | undefined;
}

export function start(argv: readonly string[], options: FakeHearthOptions & FakeTerminalOptions = {}): Invocation {
  const hearth = fakeHearth(options);
  const terminal = fakeTerminal(options);
  let connected: Flags | undefined;
  const code = runCommandLine(argv, {
    version: "1.2.3",
    terminal,
    async connect(flags) {
      connected = flags;
      return hearth;
    },
  });
  return { hearth, terminal, code, flags: () => connected };
}

export async function run(
  argv: readonly string[],
  options: FakeHearthOptions & FakeTerminalOptions = {},
): Promise<Ended> {
  const { hearth, terminal, code, flags } = start(argv, options);
  const ended = await code;
  if (terminal.listeners() > 0) throw new Error("The command left a timer or an interrupt listener behind");
  return { code: ended, stdout: terminal.stdout(), stderr: terminal.stderr(), hearth, flags: flags() };
}
