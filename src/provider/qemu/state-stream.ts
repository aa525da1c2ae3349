/**
 * A machine's state from QEMU into a file of ours. A file QEMU cannot be told: it has no way to be given one, and starting a program
 * to write one is forbidden to it. So it connects to a socket, which is in its working directory for as long as that takes: a path
 * of a socket may have 107 bytes and no more.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmod, chown, open, rm, stat } from "node:fs/promises";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { looseObject, optional, parse, string } from "zod/mini";
import { untilAborted } from "../../lib/deadline.ts";
import type { Confinement } from "./confinement.ts";
import { memoryCapability } from "./memory-place.ts";
import type { MemoryPlace } from "./memory-place.ts";
import type { QemuProcess } from "./qemu-process.ts";

const POLL_MS = 5;
const ENTERED_BY_ALL = 0o111;
/** More than any disk takes: what QEMU holds itself back to by default is meant for networks. */
const BANDWIDTH_BYTES = 2 ** 40;

export interface StateOptions {
  /** QEMU's working directory. */
  readonly directory: string;
  readonly confinement: Pick<Confinement, "account" | "give">;
  readonly memory: MemoryPlace;
  /** Where the state goes; it is not there yet. */
  readonly path: string;
  readonly signal: AbortSignal;
}

/** Working directories are for every account QEMU may have; what is in them is not. */
export async function letEnter(directory: string, { account }: Pick<Confinement, "account">): Promise<void> {
  if (account === undefined) return;
  const { mode } = await stat(directory);
  if ((mode & ENTERED_BY_ALL) !== ENTERED_BY_ALL) await chmod(directory, (mode & 0o7777) | ENTERED_BY_ALL);
}

/**
 * Resolves when all of the state is in the file. The machine is stopped then, and its disks are let go of until it runs on. Rejects with
 * a `QmpRefusal`, the signal's reason, or what went wrong; QEMU is not at it any more.
 */
export async function writeState(qemu: QemuProcess, options: StateOptions): Promise<void> {
  const { memory, signal } = options;
  await qemu.control("migrate-set-capabilities", memoryCapability(memory));
  await qemu.control("migrate-set-parameters", { "max-bandwidth": BANDWIDTH_BYTES });
  await using socket = await listen(options);
  await qemu.control("migrate", { uri: `unix:${socket.name}` });
  try {
    // The stream's end alone does not say that it was whole, and its failure not that QEMU has given up.
    await untilAborted(untilMigrated(qemu), signal);
  } catch (error) {
    // QEMU sees no more of a full disk than that nobody takes the state.
    throw socket.failure() ?? error;
  }
  await untilAborted(socket.written, signal);
}

const Migration = looseObject({ status: string(), "error-desc": optional(string()) });

async function untilMigrated(qemu: QemuProcess): Promise<void> {
  for (;;) {
    const { status, "error-desc": why } = parse(Migration, await qemu.control("query-migrate"));
    if (status === "completed") return;
    if (status === "failed" || status === "cancelled") throw new Error(why ?? `its state is ${status}`);
    await delay(POLL_MS);
  }
}

interface StateSocket extends AsyncDisposable {
  readonly name: string;
  /** Resolves when QEMU has sent all and it is in the file. */
  readonly written: Promise<void>;
  /** Why it could not be written, as far as that is known. */
  failure(): Error | undefined;
}

/** When it is disposed of nobody writes to the file any more. */
async function listen({ directory, confinement, path, signal }: StateOptions): Promise<StateSocket> {
  const name = `.state-${randomUUID()}`;
  await using place = await open(directory, "r");
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let failure: Error | undefined;
  promise.catch((error: Error) => (failure = error));
  const over = new AbortController();
  let taking: Promise<void> | undefined;
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    // One is all that is asked for.
    server.close();
    taking ??= takeState(socket, path, AbortSignal.any([signal, over.signal])).then(resolve, reject);
  });
  await new Promise<void>((listening, failed) => {
    server.once("error", failed);
    // By descriptor, as a long path would be cut.
    server.listen(`/proc/self/fd/${place.fd}/${name}`, listening);
  });
  await confinement.give({ chown: (uid, gid) => chown(join(directory, name), uid, gid) });
  return {
    name,
    written: promise,
    failure: () => failure,
    [Symbol.asyncDispose]: async () => {
      over.abort();
      server.close();
      await rm(join(directory, name), { force: true });
      await taking;
    },
  };
}

/** By a program of its own: through this process it takes twice as long, in which nothing else gets its turn here. */
async function takeState(socket: Socket, path: string, signal: AbortSignal): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  const child = spawn("cat", [], { stdio: [socket, file.fd, "pipe"] });
  const kill = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", kill);
  try {
    const said = child.stderr === null ? "" : text(child.stderr);
    const [words, [code]] = await Promise.all([said, once(child, "close")]);
    signal.throwIfAborted();
    if (code !== 0) throw new Error(`its memory could not be saved: ${words.slice(0, 400).trim()}`);
  } finally {
    signal.removeEventListener("abort", kill);
    socket.destroy();
  }
}
