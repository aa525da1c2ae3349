/**
 * A program with a terminal of its own. Node cannot make one, so `script` of bsdutils does, which is in every Debian: it copies
 * between its own input and output and the terminal's master, and exits as the program did.
 * The program's first breath (`sh`, before it becomes the program) says on descriptor 3 which terminal it has; its size is
 * changed from outside by `stty`, and the kernel tells whoever runs in it.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import type { Readable } from "node:stream";
import type { ExecExit, ShellRequest, TerminalSize } from "../protocol/agent-api.ts";
import type { ShellListener } from "../protocol/agent-handlers.ts";
import { writeOrWait } from "../protocol/write-or-wait.ts";
import { preferForOutOfMemory } from "./exec.ts";
import type { Owner } from "./files.ts";
import { signalTree } from "./process-tree.ts";

const DIRECTORIES = ["/usr/bin", "/bin", "/run/current-system/sw/bin"];
/** What `script` itself complains of; more is not kept. */
const MAX_COMPLAINT = 4_096;

/** Never rejects for what the program does or fails to do: that is in the exit. A program that a signal ended has 128 + its number. */
export async function runShell(
  request: ShellRequest,
  owner: Owner | undefined,
  host: ShellListener,
): Promise<ExecExit> {
  const programs = findPrograms();
  if (typeof programs === "string") return failed(programs);
  if (!existsSync(request.cwd)) return failed(`No such directory: ${request.cwd}`);
  let child: ChildProcess;
  try {
    child = start(programs, request, owner);
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error));
  }
  const { pid } = child;
  if (pid === undefined) return failed(await startError(child));
  preferForOutOfMemory(pid);
  const terminal = new TerminalOf(child, (tty, { columns, rows }) =>
    spawn(programs.stty, ["-F", tty, "rows", String(rows), "cols", String(columns)], {
      env: {},
      stdio: "ignore",
      ...idsOf(owner),
    }),
  );
  void passInput(child, host, terminal);
  return await ended(child, pid, host, terminal);
}

interface Programs {
  readonly script: string;
  readonly stty: string;
  readonly tty: string;
}

function findPrograms(): Programs | string {
  if (process.platform !== "linux") return "A shell with a terminal needs Linux; one without it reads a script.";
  const [script, stty, tty] = ["script", "stty", "tty"].map((name) =>
    DIRECTORIES.map((directory) => `${directory}/${name}`).find((path) => existsSync(path)),
  );
  if (script === undefined) {
    return "The machine has no program `script`, which gives a shell its terminal: Debian has it in the package bsdutils.";
  }
  if (stty === undefined || tty === undefined) {
    return "The machine has no `stty` and `tty`, by which a terminal gets its size: Debian has them in the package coreutils.";
  }
  return { script, stty, tty };
}

function start({ script, stty, tty }: Programs, request: ShellRequest, owner: Owner | undefined): ChildProcess {
  const { columns, rows } = request.size;
  const ownShell = request.env["SHELL"];
  const lines = [
    `${tty} >&3; exec 3>&-`,
    `${stty} rows ${rows} cols ${columns}`,
    // `script` starts what SHELL names, and that is `sh` only for this text.
    ownShell === undefined ? "unset SHELL" : `export SHELL=${quoted(ownShell)}`,
    `exec ${request.argv.map(quoted).join(" ")}`,
  ];
  return spawn(script, ["-qefc", lines.join("\n"), "/dev/null"], {
    cwd: request.cwd,
    env: { ...request.env, SHELL: "/bin/sh" },
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    detached: true,
    ...idsOf(owner),
  });
}

/** The terminal of a program that starts: its name, once it has said it, and the latest size it is to have. */
class TerminalOf {
  readonly #setSize: (tty: string, size: TerminalSize) => ChildProcess;
  #tty: string | undefined;
  #wanted: TerminalSize | undefined;
  #busy = false;

  constructor(child: ChildProcess, setSize: (tty: string, size: TerminalSize) => ChildProcess) {
    this.#setSize = setSize;
    let said = "";
    pipeOf(child, 3).on("data", (bytes: Buffer) => {
      if (this.#tty !== undefined || said.length > 64) return;
      said += bytes.toString("latin1");
      this.#tty = /^(\/dev\/pts\/\d{1,10})\n/.exec(said)?.[1];
      this.#settle();
    });
  }

  get isThere(): boolean {
    return this.#tty !== undefined;
  }

  resize(size: TerminalSize): void {
    this.#wanted = size;
    this.#settle();
  }

  /** One at a time: of sizes that come faster than they can be set the last one counts. */
  #settle(): void {
    if (this.#busy || this.#tty === undefined || this.#wanted === undefined) return;
    const size = this.#wanted;
    this.#wanted = undefined;
    this.#busy = true;
    const done = (): void => {
      this.#busy = false;
      this.#settle();
    };
    // One that cannot be set is the size it was.
    this.#setSize(this.#tty, size).once("error", done).once("exit", done);
  }
}

async function passInput(child: ChildProcess, host: ShellListener, terminal: TerminalOf): Promise<void> {
  const { stdin } = child;
  // The program may end before it has read everything.
  stdin?.on("error", () => undefined);
  let isLineBegun = false;
  try {
    for await (const piece of host.input) {
      if (piece.kind === "size") {
        terminal.resize(piece.size);
        continue;
      }
      isLineBegun = !/[\r\n]/.test(String.fromCharCode(piece.bytes.at(-1) ?? 0));
      if (stdin !== null) await writeOrWait(stdin, piece.bytes);
    }
    // Typed, since `script` drops what it has not read yet when its input is closed. Within a line it takes two: the first ends the line.
    if (stdin !== null) await writeOrWait(stdin, isLineBegun ? "\x04\x04" : "\x04");
  } catch {
    // The host has gone away: `gone` says so too, and ends the program.
  }
}

function ended(child: ChildProcess, pid: number, host: ShellListener, terminal: TerminalOf): Promise<ExecExit> {
  const { promise, resolve } = Promise.withResolvers<ExecExit>();
  const output = pipeOf(child, 1);
  const pass = (bytes: Buffer): void => {
    if (!host.write(bytes)) output.pause();
  };
  output.on("data", pass);
  host.onDrain(() => output.resume());
  const onGone = (): void => {
    // Nobody takes it, and the end comes after the last of it.
    output.off("data", pass).resume();
    void signalTree(pid, "SIGKILL");
  };
  if (host.gone.aborted) onGone();
  host.gone.addEventListener("abort", onGone);
  let complaint = "";
  pipeOf(child, 2).on("data", (bytes: Buffer) => (complaint = (complaint + bytes.toString()).slice(0, MAX_COMPLAINT)));
  child.once("close", (code, signal) => {
    host.gone.removeEventListener("abort", onGone);
    const isUnmade = !terminal.isThere && code !== 0 && !host.gone.aborted;
    resolve(isUnmade ? failed(`No terminal could be made: ${complaint.trim()}`) : { code, signal });
  });
  return promise;
}

function pipeOf(child: ChildProcess, descriptor: 1 | 2 | 3): Readable {
  const pipe = child.stdio[descriptor];
  if (pipe === null || pipe === undefined || !("read" in pipe)) throw new Error(`no pipe ${descriptor}`);
  return pipe;
}

async function startError(child: ChildProcess): Promise<string> {
  return await new Promise((resolve) => child.once("error", ({ message }) => resolve(message)));
}

/** One word of `sh`, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function idsOf(owner: Owner | undefined): { uid?: number; gid?: number } {
  return owner === undefined ? {} : { uid: owner.uid, gid: owner.gid };
}

function failed(failure: string): ExecExit {
  return { code: null, signal: null, failure: failure.slice(0, 4_096) };
}
