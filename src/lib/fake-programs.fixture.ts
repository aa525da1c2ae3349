/** Programs of a test's own that stand before the host's on PATH; each is a shell script. Gone, and PATH as it was, on disposal. */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

export interface FakePrograms extends AsyncDisposable {
  readonly directory: string;
}

export async function fakePrograms(scripts: Readonly<Record<string, string>>): Promise<FakePrograms> {
  const directory = await mkdtemp(join(tmpdir(), "hearth-test-programs-"));
  for (const [name, script] of Object.entries(scripts)) {
    await writeFile(join(directory, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(directory, name), 0o755);
  }
  const before = process.env["PATH"] ?? "";
  process.env["PATH"] = `${directory}${delimiter}${before}`;
  return {
    directory,
    async [Symbol.asyncDispose]() {
      process.env["PATH"] = before;
      await rm(directory, { recursive: true });
    },
  };
}
