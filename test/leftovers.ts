/** What a run left on this host: processes, mounts and files that carry its marks. Empty when all is well. */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Sandbox } from "./run-hearth.ts";

/** By the sandbox's own directories, so that what else runs on this host is not mistaken for it. */
export async function leftovers({ directory, temporary }: Sandbox): Promise<string[]> {
  const [processes, mounts, files] = await Promise.all([
    processesWith(directory),
    readFile("/proc/mounts", "utf8"),
    readdir(temporary, { recursive: true, withFileTypes: true }),
  ]);
  return [
    ...processes,
    ...mounts.split("\n").filter((line) => line.includes(directory)),
    // A step's own npm keeps its compiled code in the temporary directory; on the host that is its business.
    ...files
      .filter((file) => !file.isDirectory() && !file.parentPath.includes("/node-compile-cache"))
      .map((file) => `file ${join(file.parentPath, file.name)}`),
  ];
}

/** In their arguments or their environment: every step gets paths below the temporary directory, every sandbox is told its own. */
async function processesWith(mark: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const read = (file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
    const [command, environment] = await Promise.all([read("cmdline"), read("environ")]);
    if (command.includes(mark) || environment.includes(mark)) {
      found.push(`process ${pid}: ${command.replaceAll("\0", " ").slice(0, 200)}`);
    }
  }
  return found;
}
