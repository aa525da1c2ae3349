/** From argv to exit code: runs one command and turns whatever it throws into words on stderr. The process itself is `main.ts`'s. */
import { CommanderError } from "commander";
import type { Command } from "commander";
import { EngineError } from "../lib/engine-error.ts";
import { Cancelled } from "./cancelled.ts";
import { plainLines } from "./display-text.ts";
import { exitCode, exitCodeOfError } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import { createProgram } from "./program.ts";
import type { ProgramSurroundings } from "./program.ts";
import type { Output, Terminal } from "./terminal.ts";

/** `argv` without the interpreter and the script. Never throws. */
export async function runCommandLine(
  argv: readonly string[],
  surroundings: Omit<ProgramSurroundings, "finish">,
): Promise<ExitCode> {
  let code: ExitCode = exitCode.bug;
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

function reportError({ write, colors }: Output, error: unknown): void {
  if (error instanceof Cancelled) {
    write("cancelled\n");
  } else if (error instanceof EngineError) {
    write(`${colors.red("error:")} ${plainLines(error.message).join("\n  ")}\n`);
    if (error.hint !== undefined) write(`  ${plainLines(error.hint).join("\n  ")}\n`);
  } else {
    write(`${colors.red("error:")} a fault in Hearth, please report it\n`);
    write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  }
}
