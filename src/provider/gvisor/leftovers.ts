/**
 * What machines under a run directory have on this host: processes, mounts, directories. Empty when every machine was disposed
 * of; tests and `doctor` look here. Other users' processes show no arguments and so are never taken for ours.
 */
import { readdir, readFile } from "node:fs/promises";

/** One line for each thing found. */
export async function leftovers(runDir: string): Promise<string[]> {
  const processes = await processesOf(runDir);
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").filter((line) => line.includes(runDir));
  return [
    ...processes.map(({ pid, arguments: text }) => `process ${pid}: ${text}`),
    ...mounts.map((line) => `mount ${line.split(" ")[4] ?? line}`),
    ...(await entries(runDir)).map((name) => `directory ${runDir}/${name}`),
  ];
}

/** Processes with `path` in their arguments; this one is left out. */
export async function processesOf(path: string): Promise<readonly { pid: number; arguments: string }[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = await Promise.all(pids.map(async (pid) => ({ pid, arguments: await argumentsOf(pid) })));
  return all.filter((entry) => entry.pid !== process.pid && entry.arguments.includes(path));
}

async function argumentsOf(pid: number): Promise<string> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, "utf8")).replaceAll("\0", " ").trim();
  } catch {
    // It ended while we looked.
    return "";
  }
}

async function entries(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
