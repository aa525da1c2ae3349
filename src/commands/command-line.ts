/** From argv to exit code: runs one command and turns whatever it throws into words on stderr. The process itself is `main.ts`'s. */
import { CommanderError } from "commander";
import type { Command } from "commander";
import { exitCode, exitCodeOfError } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import { createProgram } from "./program.ts";
import type { ProgramSurroundings } from "./program.ts";
import { reportError } from "./report-error.ts";
import type { Terminal } from "./terminal.ts";

/** `argv` without the interpreter and the script. Never throws. */
export async function runCommandLine(
  argv: readonly string[],
  surroundings: Omit<ProgramSurroundings, "finish">,
): Promise<number> {
  let code: number = exitCode.bug;
  const { terminal } = surroundings;
  const program = createProgram({ ...surroundings, finish: (ended) => (code = ended) });
  prepare(program, terminal);
  try {
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return exitCodeOfUsage(error);
    reportError(terminal.err, error);
    return exitCodeOfError(error);
  }
}

/** Every command reports through our terminal and throws instead of ending the process. */
function prepare(command: Command, terminal: Terminal): void {
  command.exitOverride().configureOutput({
    writeOut: terminal.out.write,
    writeErr: terminal.err.write,
    getOutHelpWidth: () => terminal.size().columns,
    getErrHelpWidth: () => terminal.size().columns,
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  });
  for (const child of command.commands) prepare(child, terminal);
}

/** Help and version that were asked for are answers; help because no command was given is not. */
function exitCodeOfUsage(error: CommanderError): ExitCode {
  return error.exitCode === 0 ? exitCode.success : exitCode.usage;
}
