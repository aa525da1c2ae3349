/**
 * The terminal of this process: with `process-screen.ts` the only file under `commands/` that touches `process`. Streams are looked at when they are
 * first used, since making one costs a millisecond and `hearth --help` needs a single one.
 */
import picocolors from "picocolors";
import type { Colors } from "picocolors/types.js";
import { EngineError } from "../lib/engine-error.ts";
import { Cancelled } from "./cancelled.ts";
import { processScreen } from "./process-screen.ts";
import type { Output, Terminal } from "./terminal.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const interrupts = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const defaultSize = { columns: 80, rows: 24 };

export function createProcessTerminal(environment: Environment): Terminal {
  return {
    out: createOutput(() => process.stdout, environment),
    err: createOutput(() => process.stderr, environment),
    // CI's terminals record everything that is drawn.
    get live() {
      return isTerminal(process.stdout) && !isSet(environment["CI"]) && environment["TERM"] !== "dumb";
    },
    size: () => {
      const { columns, rows } = process.stdout;
      return isTerminal(process.stdout) && columns > 0 && rows > 0 ? { columns, rows } : defaultSize;
    },
    now: Date.now,
    every(intervalMs, tick) {
      const timer = setInterval(tick, intervalMs);
      return () => clearInterval(timer);
    },
    askSecret: async (question) =>
      isTerminal(process.stdin) && isTerminal(process.stderr) ? readHidden(question) : undefined,
    readInput: async () => (isTerminal(process.stdin) ? undefined : readAll()),
    environment: (name) => environment[name],
    screen: processScreen,
    onInterrupt(listener) {
      for (const signal of interrupts) process.on(signal, listener);
      return () => interrupts.forEach((signal) => process.off(signal, listener));
    },
  };
}

function createOutput(open: () => NodeJS.WriteStream, environment: Environment): Output {
  let stream: NodeJS.WriteStream | undefined;
  let colors: Colors | undefined;
  let broken = false;
  return {
    get colors() {
      return (colors ??= picocolors.createColors(wantsColors(isTerminal(open()), environment)));
    },
    write(text) {
      stream ??= open().on("error", (error: NodeJS.ErrnoException) => {
        // `hearth logs | head`, or a closed window: nobody reads any more. A run still has to destroy its machines.
        if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
        broken = true;
      });
      if (!broken) stream.write(text);
    },
  };
}

/**
 * Resolves when everything written has left the process, or nobody reads it. Writes to a pipe wait in memory when the reader
 * is slower, and `process.exit` would drop them.
 */
export async function flushOutput(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => {
      stream.write("", () => resolve());
    });
  }
}

/** https://no-color.org and https://force-color.org: empty means not set. */
function wantsColors(isTerminal: boolean, environment: Environment): boolean {
  if (isSet(environment["NO_COLOR"])) return false;
  const force = environment["FORCE_COLOR"];
  if (isSet(force)) return force !== "0" && force !== "false";
  return isTerminal && environment["TERM"] !== "dumb";
}

/** Undefined for a pipe, although Node's types say otherwise. */
function isTerminal({ isTTY }: { readonly isTTY?: boolean }): boolean {
  return isTTY === true;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== "";
}

const maxInputBytes = 1024 * 1024;

async function readAll(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    const piece = Buffer.from(chunk);
    bytes += piece.length;
    if (bytes > maxInputBytes)
      throw new EngineError("BAD_USAGE", `Standard input is larger than ${maxInputBytes} bytes`);
    chunks.push(piece);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Undefined for Ctrl-D. In raw mode Ctrl-C is a key like others and no signal. Throws `Cancelled`. */
async function readHidden(question: string): Promise<string | undefined> {
  const { stdin, stderr } = process;
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  try {
    let typed = "";
    for await (const chunk of stdin.iterator({ destroyOnReturn: false })) {
      for (const key of String(chunk)) {
        if (key === "\r" || key === "\n") return typed;
        if (key === "\u0003") throw new Cancelled();
        if (key === "\u0004") return undefined;
        typed = key === "\u007f" || key === "\b" ? typed.slice(0, -1) : typed + key;
      }
    }
    return undefined;
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write("\n");
  }
}
