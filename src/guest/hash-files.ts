/**
 * The expression function `hashFiles`: one SHA-256 over the binary SHA-256 of every matching file, in the order of the walk
 * (ACTIONS-CONTRACT §1.5). Files outside the workspace and directories are passed over. Gives up after GitHub's 120 s.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import type { HashFilesRequest } from "../protocol/agent-api.ts";

const TIME_LIMIT_MS = 120_000;
const READ_BYTES = 256 << 10;

/** Hex, or the empty string when nothing matched. Throws when a pattern is not allowed, a file unreadable, or time is up. */
export async function hashFiles(request: HashFilesRequest, home: string): Promise<string> {
  // Patterns are rare and the matcher takes as long to load as a small process takes to start.
  const { glob } = await import("./glob.ts");
  const { workspace, patterns, followSymbolicLinks } = request;
  const deadline = AbortSignal.timeout(TIME_LIMIT_MS);
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  const total = createHash("sha256");
  let count = 0;
  for await (const path of glob(patterns, { directory: workspace, home, followSymbolicLinks })) {
    if (deadline.aborted) throw new Error(`hashFiles took more than ${TIME_LIMIT_MS / 1_000} seconds`);
    if (!path.startsWith(`${workspace}/`) || (await stat(path)).isDirectory()) continue;
    total.update(await digestOf(path, buffer));
    count += 1;
  }
  return count === 0 ? "" : total.digest("hex");
}

async function digestOf(path: string, buffer: Buffer): Promise<Buffer> {
  // Without O_NONBLOCK a FIFO in the workspace would hold a thread of Node's pool for ever.
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const hash = createHash("sha256");
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) return hash.digest();
    hash.update(buffer.subarray(0, bytesRead));
  }
}
