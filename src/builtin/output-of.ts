/** Other programs: what they print, or that they did their work. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";

/** The trimmed output; undefined when the program is not there or fails. */
export async function outputOf(program: string, ...args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 16 << 20 });
    return stdout.trim();
  } catch {
    // Absent or failed: its output is nothing to anybody.
    return undefined;
  }
}

/** Its output goes to the step's log. Throws when it fails. */
export async function runProgram(program: string, ...args: readonly string[]): Promise<void> {
  process.stdout.write(`[command]${[program, ...args].join(" ")}\n`);
  const [code] = await once(spawn(program, args, { stdio: "inherit" }), "close");
  if (code !== 0) throw new Error(`The process '${program}' failed with exit code ${code}`);
}
