/**
 * One running QEMU. It is given everything as open descriptors: sockets for the guest's ports and for control, and files that have
 * no name any more. So there is nothing on the disk to be cleaned up, and no socket that another user of the host could dial.
 * What keeps it in bounds itself, and from outliving us, is its prefix (`confinement.ts`).
 */
import { spawn } from "node:child_process";
import type { ChildProcess, StdioOptions } from "node:child_process";
import { once } from "node:events";
import type { FileHandle } from "node:fs/promises";
import { Duplex } from "node:stream";
import { ConsoleTail } from "./console-tail.ts";
import { qemuArguments } from "./qemu-arguments.ts";
import type { QemuMachine, QemuMemory } from "./qemu-arguments.ts";
import { QmpClient } from "./qmp.ts";
import { memoryCapability } from "./memory-place.ts";
import type { MemoryPlace } from "./memory-place.ts";

export const QEMU = "qemu-system-x86_64";

export interface QemuOptions extends Pick<QemuMachine, "name" | "accelerator" | "cpus" | "memoryMib"> {
  /** Put before QEMU's argument vector: it ends QEMU with us, and takes its rights away. */
  readonly prefix: readonly string[];
  readonly kernel: FileHandle;
  /** Undefined for a copy. */
  readonly initrd: FileHandle | undefined;
  /** Undefined: memory of its own. */
  readonly memory: { readonly file: FileHandle; readonly access: QemuMemory["access"] } | undefined;
  /** The latter goes on from a saved state; where that holds the memory too, not before it is told to. */
  readonly start: "boot" | { readonly state: FileHandle; readonly memory: MemoryPlace };
  readonly disks: readonly { readonly id: string; readonly file: FileHandle; readonly writable: boolean }[];
  readonly ports: readonly string[];
  /** QEMU's working directory. */
  readonly directory: string;
}

export interface ProcessEnd {
  readonly reason: string;
  /** What killed it. */
  readonly signal: NodeJS.Signals | undefined;
}

export interface QemuProcess {
  readonly console: ConsoleTail;
  /** Our end of a port. */
  port(name: string): Duplex;
  /** QEMU's answer to a command. Rejects with QEMU's own words, or when it ends. */
  control(command: string, parameters?: object): Promise<unknown>;
  /** Whoever ended it; never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Safe to call twice. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** How long QEMU may take to end by itself before it is killed. */
const QUIT_DEADLINE_MS = 1000;

/** The caller may close its files when this returns. */
export function startQemu(options: QemuOptions): QemuProcess {
  const stdio: ("ignore" | "pipe" | number)[] = ["ignore", "pipe", "pipe"];
  const inherit = (what: "pipe" | number): number => stdio.push(what) - 1;
  const inheritFile = (file: FileHandle): string => `/proc/self/fd/${inherit(file.fd)}`;
  const controlFd = inherit("pipe");
  const ports = options.ports.map((name) => ({ name, fd: inherit("pipe") }));
  const { initrd, memory, start, kernel, disks } = options;
  const saved = start === "boot" ? undefined : { fd: inherit(start.state.fd), memory: start.memory };
  const argv = qemuArguments({
    ...options,
    initrd: initrd && inheritFile(initrd),
    kernel: inheritFile(kernel),
    memory: memory && { path: inheritFile(memory.file), access: memory.access },
    start: start === "boot" ? start : "copy",
    disks: disks.map(({ id, file, writable }) => ({ id, path: inheritFile(file), writable })),
    ports,
    controlFd,
  });
  // A session of its own: Ctrl-C in a terminal reaches us alone, and we decide when and how the machine ends.
  const [program = QEMU, ...argumentsOfProgram] = [...options.prefix, QEMU, ...argv];
  const child = spawn(program, argumentsOfProgram, {
    stdio: stdio satisfies StdioOptions,
    detached: true,
    cwd: options.directory,
  });
  const console = new ConsoleTail();
  child.stdout?.on("data", (chunk: Buffer) => console.write(chunk));
  child.stderr?.on("data", (chunk: Buffer) => console.write(chunk));
  const ended = untilEnd(child);
  // A failed stream closes, and whoever uses it hears that; one that nobody uses yet must not end our process.
  for (const { fd } of ports) socketAt(child, fd).on("error", () => undefined);
  const control = new QmpClient(socketAt(child, controlFd));
  if (saved !== undefined) loadState(control, saved);
  return {
    console,
    port(name) {
      const port = ports.find((candidate) => candidate.name === name);
      if (port === undefined) throw new Error(`QEMU was started without a port ${name}`);
      return socketAt(child, port.fd);
    },
    control: (command, parameters) => control.execute(command, parameters),
    ended,
    [Symbol.asyncDispose]: () => end(child, control, ended),
  };
}

/** A template's machine runs as soon as it has its state, as it was saved running. A state that cannot be loaded ends QEMU, which is seen. */
function loadState(control: QmpClient, { fd, memory }: { fd: number; memory: MemoryPlace }): void {
  const commands = [
    control.execute("migrate-set-capabilities", memoryCapability(memory)),
    control.execute("migrate-incoming", { uri: `fd:${fd}` }),
  ];
  for (const command of commands) command.catch(() => undefined);
}

/** Not Node's `close`, which waits for every stream to be read to its end: nobody may ever read a port. */
async function untilEnd(child: ChildProcess): Promise<ProcessEnd> {
  const outputRead = [child.stdout, child.stderr]
    .filter((stream) => stream !== null)
    .map((stream) => once(stream, "close"));
  const how = await new Promise<ProcessEnd>((resolve) => {
    const endedWith = (reason: string, signal?: NodeJS.Signals): void => resolve({ reason, signal });
    child.once("error", (error) => endedWith(`QEMU could not be started: ${error.message}`));
    child.once("exit", (code, signal) => {
      if (signal !== null) endedWith(`QEMU was killed by ${signal}`, signal);
      // Nobody asked for it, or nobody wants to know how it ended.
      else endedWith(code === 0 ? "the guest switched itself off" : `QEMU ended with exit code ${code}`);
    });
  });
  await Promise.all(outputRead);
  return how;
}

function socketAt(child: ChildProcess, fd: number): Duplex {
  const socket: unknown = child.stdio[fd];
  if (!(socket instanceof Duplex)) throw new Error(`Descriptor ${fd} of QEMU is not a socket`);
  return socket;
}

async function end(child: ChildProcess, control: QmpClient, ended: Promise<ProcessEnd>): Promise<void> {
  const timer = setTimeout(() => child.kill("SIGKILL"), QUIT_DEADLINE_MS);
  // Refused or unanswered: then it has ended, or the timer ends it.
  control.execute("quit").catch(() => undefined);
  await ended;
  clearTimeout(timer);
  for (const stream of child.stdio) stream?.destroy();
}
