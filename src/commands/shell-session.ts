/**
 * A person in a machine: a shell on their own terminal, a script from standard input, or one command. Whose machine it is and how long
 * it lasts is the caller's. Nothing that is printed is masked.
 */
import { randomUUID } from "node:crypto";
import { constants } from "node:os";
import { EngineError } from "../lib/engine-error.ts";
import type { ExecExit } from "../protocol/agent-api.ts";
import type { AgentClient } from "../protocol/agent-client.ts";
import { Cancelled } from "./cancelled.ts";
import type { Terminal } from "./terminal.ts";

export interface ShellPlace {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user: "runner" | "root";
  /** Default: an interactive bash. */
  readonly argv?: readonly string[];
}

const INTERACTIVE = ["bash", "-i"];
/** Bash reads what it is given as standard input; the file has no name any more when it does. */
const RUN_SCRIPT = 'exec < "$1" && rm -f -- "$1" && exec bash';
const SCRIPT_MODE = 0o600;

/**
 * A shell on the terminal, until it ends; where standard input is none its text is run as a script. Resolves with the shell's exit
 * code. Throws `Cancelled` for a signal to this process, GUEST_REFUSED for a machine that cannot have terminals, and as `AgentClient`
 * does; the terminal is as it was before in every case.
 */
export async function runShell(agent: AgentClient, terminal: Terminal, place: ShellPlace): Promise<number> {
  if (!terminal.screen.hasKeyboard) {
    const script = await terminal.readInput();
    if (script !== undefined) return await runScript(agent, terminal, place, script);
  }
  const { screen } = terminal;
  const term = terminal.environment("TERM");
  let hasBegun = false;
  const session = agent.shell(
    {
      argv: [...(place.argv ?? INTERACTIVE)],
      env: { TERM: term === undefined || term === "" ? "xterm-256color" : term, ...place.env },
      cwd: place.cwd,
      user: place.user,
      size: terminal.size(),
    },
    (chunk) => {
      hasBegun = true;
      return screen.write("stdout", chunk);
    },
  );
  let interrupted = false;
  const restore = [
    screen.takeKeyboard(
      (bytes) => session.write(bytes),
      () => session.hangUp(),
    ),
    screen.onResize(() => session.resize(terminal.size())),
    terminal.onInterrupt(() => {
      interrupted = true;
      session.hangUp();
    }),
  ];
  let exit: ExecExit;
  try {
    exit = await session.ended;
  } finally {
    for (const undo of restore) undo();
  }
  if (interrupted) throw new Cancelled();
  if (hasBegun) return codeOf(exit, "The shell was cut off", undefined);
  return codeOf(
    exit,
    "Cannot start a shell with a terminal",
    "--exec CMD needs none, and neither does a script on standard input.",
  );
}

/** One line of bash, its output as it comes. Resolves with its exit code. Ctrl-C goes to it; a second one kills it. */
export async function runExec(
  agent: AgentClient,
  terminal: Terminal,
  place: Omit<ShellPlace, "argv"> & { readonly command: string },
): Promise<number> {
  return await runCommand(agent, terminal, place, { argv: ["bash", "-c", place.command], write: [] });
}

async function runScript(agent: AgentClient, terminal: Terminal, place: ShellPlace, script: string): Promise<number> {
  const path = `${place.env["RUNNER_TEMP"] ?? "/tmp"}/hearth-script-${randomUUID()}`;
  const write = [{ path, content: script, mode: SCRIPT_MODE }];
  return await runCommand(agent, terminal, place, { argv: ["bash", "-c", RUN_SCRIPT, "bash", path], write });
}

async function runCommand(
  agent: AgentClient,
  terminal: Terminal,
  place: ShellPlace,
  command: CommandFiles,
): Promise<number> {
  const exit = await execIn(agent, terminal, { ...place, ...command }, (stream, chunk) =>
    terminal.screen.write(stream, chunk),
  );
  return codeOf(exit, "Cannot run the command", undefined);
}

interface CommandFiles {
  readonly argv: readonly string[];
  readonly write: readonly { readonly path: string; readonly content: string; readonly mode: number }[];
}

/** A program without a terminal. Ctrl-C goes to all that it started; a second one kills it. */
export async function execIn(
  agent: AgentClient,
  terminal: Pick<Terminal, "onInterrupt">,
  { env, cwd, user, argv, write }: Omit<ShellPlace, "argv"> & CommandFiles,
  onOutput: Parameters<AgentClient["exec"]>[1],
): Promise<ExecExit> {
  const id = `shell-${randomUUID()}`;
  let interrupts = 0;
  const stopListening = terminal.onInterrupt(() => {
    interrupts += 1;
    const signal = interrupts === 1 ? "SIGINT" : "SIGKILL";
    // A machine that cannot be told ends the command by itself.
    agent.signal({ id, signal, scope: "tree" }).catch(() => undefined);
  });
  try {
    return await agent.exec({ id, argv: [...argv], env: { ...env }, cwd, user, write: [...write], read: [] }, onOutput);
  } finally {
    stopListening();
  }
}

/** What a shell counts of an end that is no failure to start: 128 and the signal's number. */
export function exitNumber({ code, signal }: ExecExit): number {
  return code ?? 128 + (Object.entries(constants.signals).find(([name]) => name === signal)?.[1] ?? 0);
}

function codeOf(exit: ExecExit, what: string, hint: string | undefined): number {
  if (exit.failure !== undefined) throw new EngineError("GUEST_REFUSED", `${what}: ${exit.failure}`, { hint });
  return exitNumber(exit);
}
