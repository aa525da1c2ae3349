/** What distinguishes this host's processors from others, in one line: a state saved on one model does not go on on another. */
import { readFile } from "node:fs/promises";

/** Of x86-64 the first four, of arm64 the others. */
const FIELDS = [
  "model name",
  "stepping",
  "microcode",
  "flags",
  "CPU implementer",
  "CPU part",
  "CPU revision",
  "Features",
];

export async function cpuModel(): Promise<string> {
  const text = await readFile("/proc/cpuinfo", "utf8");
  return FIELDS.map((name) => new RegExp(`^${name}\\s*:\\s*(.*)$`, "m").exec(text)?.[1] ?? "").join("|");
}
