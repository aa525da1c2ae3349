/** The directory of what lasts as long as processes do: closed to others, and gone with the host's boot. */
import { mkdir } from "node:fs/promises";
import { EngineError } from "./engine-error.ts";

/** Safe to call again. Throws STATE_UNWRITABLE with the variable that names another one. */
export async function makeRunDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError("STATE_UNWRITABLE", `Cannot make the run directory ${path}: ${why}`, {
      cause,
      hint: "XDG_RUNTIME_DIR names the directory that it is made in.",
    });
  }
}
