/** Unpacks what Debian compresses kernels and modules with, told apart by the first bytes, each by its own program. */
import { spawn } from "node:child_process";
import { buffer } from "node:stream/consumers";
import { EngineError } from "../lib/engine-error.ts";

const PROGRAMS = [
  { program: "lz4", magic: Buffer.from("02214c18", "hex") },
  { program: "xz", magic: Buffer.from("fd377a585a00", "hex") },
  { program: "zstd", magic: Buffer.from("28b52ffd", "hex") },
  { program: "gzip", magic: Buffer.from("1f8b", "hex") },
] as const;

/** The program that unpacks these bytes; undefined when they are not compressed in a way we know. */
export function compressionOf(bytes: Buffer): (typeof PROGRAMS)[number]["program"] | undefined {
  return PROGRAMS.find(({ magic }) => bytes.subarray(0, magic.length).equals(magic))?.program;
}

/** Throws SETUP_FAILED when the program is missing or does not like the bytes. */
export async function decompress(program: string, bytes: Buffer, signal: AbortSignal): Promise<Buffer> {
  const child = spawn(program, ["-dc"], { stdio: ["pipe", "pipe", "ignore"], signal });
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ended with ${code}`));
    });
  });
  // A program that gives up early closes its input; its exit code says so better than EPIPE would.
  child.stdin.on("error", () => {});
  child.stdin.end(bytes);
  try {
    const [output] = await Promise.all([buffer(child.stdout), ended]);
    return output;
  } catch (error) {
    signal.throwIfAborted();
    throw new EngineError("SETUP_FAILED", `Cannot unpack with ${program}`, {
      cause: error,
      hint: `apt-get install ${program === "xz" ? "xz-utils" : program}`,
    });
  }
}
