/**
 * Where a run's door is: a unix socket in the run's own directory, which is closed to other users. The kernel takes 108 bytes of path
 * (unix(7)); a longer one is reached through a descriptor of its directory.
 */
import { closeSync, constants, openSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../lib/engine-error.ts";

const NAME = "door.sock";
/** macOS has 104. */
const MAX_PATH_BYTES = 103;

export interface SocketAddress extends Disposable {
  readonly path: string;
}

/** Good until it is disposed of. Throws STATE_UNREADABLE where the path is too long and there is no /proc. */
export function doorAddress(directory: string): SocketAddress {
  const path = doorPath(directory);
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return { path, [Symbol.dispose]: () => undefined };
  if (process.platform !== "linux") {
    throw new EngineError("STATE_UNREADABLE", `Cannot use the door ${path}: its path is too long for a socket`, {
      hint: "Name a shorter directory with --state.",
    });
  }
  const descriptor = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  return { path: `/proc/self/fd/${descriptor}/${NAME}`, [Symbol.dispose]: () => closeSync(descriptor) };
}

export function doorPath(directory: string): string {
  return join(directory, NAME);
}
