/** Directories for machines that are copied, in one place of a test's own, with faults on demand. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makePlainDirectory } from "../src/checkpoint/plain-directory.ts";
import type { ForkDirectories } from "../src/engine/matrix-fork-directories.ts";

export interface TestForkDirectories extends ForkDirectories, AsyncDisposable {
  /** How many were made. */
  readonly made: number;
  /** Paths of those that are there now. */
  left(): Promise<readonly string[]>;
}

/** `failMake`: the nth cannot be made. */
export async function testForkDirectories(faults: { readonly failMake?: number } = {}): Promise<TestForkDirectories> {
  const root = await mkdtemp(join(tmpdir(), "hearth-fork-"));
  let made = 0;
  return {
    get made() {
      return made;
    },
    async make(expectedBytes) {
      made += 1;
      if (made === faults.failMake) throw new Error("no space left");
      return makePlainDirectory(join(root, "no-memory"), root, expectedBytes);
    },
    left: () => readdir(root),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}
