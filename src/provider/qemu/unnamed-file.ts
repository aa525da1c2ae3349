/** Files of one machine: open, and without a name, so that they take up room exactly as long as somebody has them open. */
import { mkdir, mkdtemp, open, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";

/** `fill` makes the file at the path it is given. */
export async function unnamedFile(directory: string, fill: (path: string) => Promise<void>): Promise<FileHandle> {
  await mkdir(directory, { recursive: true });
  const own = await mkdtemp(join(directory, ".unnamed-"));
  try {
    const path = join(own, "file");
    await fill(path);
    return await open(path, "r+");
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}
