/**
 * `node scripts/kill-runs.ts [--provider gvisor|qemu] [--runs N] [--seed S]`: runs with `kill -9` of Hearth, machine or agent at
 * random moments, foreign machines beside them (test/machines/kill-runs.ts). Exits with 1 when anything was left, a foreign machine
 * was touched, or a record names another cause than what was struck, or none.
 */
import { parseArgs } from "node:util";
import { killRuns } from "../test/machines/kill-runs.ts";
import type { Kill } from "../test/machines/kill-runs.ts";

const { values } = parseArgs({
  options: { provider: { type: "string", default: "gvisor" }, runs: { type: "string" }, seed: { type: "string" } },
});
const provider = values.provider === "qemu" ? "qemu" : "gvisor";
const runs = Number(values.runs ?? (provider === "qemu" ? 10 : 100));
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const withinMs = provider === "qemu" ? 20_000 : 3_000;

write(`${runs} runs on ${provider}, seed ${seed}`);
const { kills, foreignLost } = await killRuns({ provider, runs, seed, withinMs, progress: write });

const left = kills.flatMap((kill) => kill.left);
const wrong = kills.filter(({ isRight }) => !isRight);
for (const victim of ["hearth", "machine", "agent"] as const) {
  const own = kills.filter((kill) => kill.victim === victim);
  write(`${victim}: ${own.length} killed; over in ${range(own.map(({ endedMs }) => endedMs))}; ${causes(own)}`);
}
write(`reaped in ${range(kills.map(({ reapedMs }) => reapedMs))}, the start of a process included`);
const found = kills.reduce((sum, kill) => sum + kill.found, 0);
write(
  `found by the reaper: ${found}; left: ${left.length}; foreign machines touched: ${foreignLost.length} ${foreignLost.join(", ")}; records without the right cause: ${wrong.length}`,
);
process.exitCode = left.length + foreignLost.length + wrong.length === 0 ? 0 : 1;

function causes(own: readonly Kill[]): string {
  const counts = new Map<string, number>();
  for (const { cause = "no record yet" } of own) counts.set(cause, (counts.get(cause) ?? 0) + 1);
  return [...counts].map(([cause, count]) => `${cause} ${count}`).join(", ");
}

function range(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return `${at(0.5)} ms (median), ${at(0.99)} ms (p99)`;
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
