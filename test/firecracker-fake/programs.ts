/** Writes programs that behave as a downloaded `firecracker` and `jailer`, with their knobs in them. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FakeKnobs } from "./knobs.ts";

export interface FakePrograms {
  readonly firecracker: string;
  readonly jailer: string;
}

/** The environment is not handed down to a machine, so everything stands in the file. */
export async function writeFakePrograms(directory: string, knobs: FakeKnobs): Promise<FakePrograms> {
  await mkdir(directory, { recursive: true });
  const write = async (name: string): Promise<string> => {
    const path = join(directory, name);
    const script = join(import.meta.dirname, `${name}.ts`);
    const settings = JSON.stringify(knobs).replaceAll("'", "'\\''");
    await writeFile(path, `#!/bin/sh\nFAKE_FIRECRACKER='${settings}' exec '${process.execPath}' '${script}' "$@"\n`);
    await chmod(path, 0o755);
    return path;
  };
  return { firecracker: await write("firecracker"), jailer: await write("jailer") };
}
