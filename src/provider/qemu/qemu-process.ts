/**
 * One running QEMU. It is given everything as open descriptors: sockets for the guest's ports and for control, and files that have
 * no name any more. So there is nothing on the disk to be cleaned up, and no socket that another user of the host could dial.
 * It cannot outlive us either: the kernel kills it when the process that started it ends, however that ends.
 */
import { spawn } from "node:child_process";
import type { ChildProcess, StdioOptions } from "node:child_process";
import { once } from "node:events";
import type { FileHandle } from "node:fs/promises";
import { Duplex } from "node:stream";
import { ConsoleTail } from "./console-tail.ts";
import { qemuArguments } from "./qemu-arguments.ts";
import type { QemuMachine } from "./qemu-arguments.ts";
import { QmpClient } from "./qmp.ts";

export const QEMU = "qemu-system-x86_64";

export interface QemuOptions extends Pick<QemuMachine, "name" | "accelerator" | "cpus" | "memoryMib" | "kernel"> {
  readonly initrd: FileHandle;
  /** A path for a disk that is shared and read-only, an open file for the machine's own. */
  readonly disks: readonly { readonly id: string; readonly file: string | FileHandle }[];
  readonly ports: readonly string[];
}

export interface QemuProcess {
  readonly console: ConsoleTail;
  /** Our end of a port. */
  port(name: string): Duplex;
  /** Resolves with how it ended, whoever ended it; never rejects. */
  readonly ended: Promise<string>;
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
  const argv = qemuArguments({
    ...options,
    initrd: inheritFile(options.initrd),
    disks: options.disks.map(({ id, file }) =>
      typeof file === "string" ? { id, path: file, writable: false } : { id, path: inheritFile(file), writable: true },
    ),
    ports,
    controlFd,
  });
  // A session of its own: Ctrl-C in a terminal reaches us alone, and we decide when and how the machine ends.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--no-new-privs", "--", QEMU, ...argv], {
    stdio: stdio satisfies StdioOptions,
    detached: true,
  });
  const console = new ConsoleTail();
  child.stdout?.on("data", (chunk: Buffer) => console.write(chunk));
  child.stderr?.on("data", (chunk: Buffer) => console.write(chunk));
  const ended = untilEnd(child);
  // A failed stream closes, and whoever uses it hears that; one that nobody uses yet must not end our process.
  for (const { fd } of ports) socketAt(child, fd).on("error", () => undefined);
  const control = new QmpClient(socketAt(child, controlFd));
  return {
    console,
    port(name) {
      const port = ports.find((candidate) => candidate.name === name);
      if (port === undefined) throw new Error(`QEMU was started without a port ${name}`);
      return socketAt(child, port.fd);
    },
    ended,
    [Symbol.asyncDispose]: () => end(child, control, ended),
  };
}

/** Not Node's `close`, which waits for every stream to be read to its end: nobody may ever read a port. */
async function untilEnd(child: ChildProcess): Promise<string> {
  const outputRead = [child.stdout, child.stderr]
    .filter((stream) => stream !== null)
    .map((stream) => once(stream, "close"));
  const how = await new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`QEMU could not be started: ${error.message}`));
    child.once("exit", (code, signal) => {
      if (signal !== null) resolve(`QEMU was killed by ${signal}`);
      // Nobody asked for it, or nobody wants to know how it ended.
      else resolve(code === 0 ? "the guest switched itself off" : `QEMU ended with exit code ${code}`);
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

async function end(child: ChildProcess, control: QmpClient, ended: Promise<string>): Promise<void> {
  const timer = setTimeout(() => child.kill("SIGKILL"), QUIT_DEADLINE_MS);
  // Refused or unanswered: then it has ended, or the timer ends it.
  control.execute("quit").catch(() => undefined);
  await ended;
  clearTimeout(timer);
  for (const stream of child.stdio) stream?.destroy();
}
