/** Times whole commands beside one another: interleaved, so that a noisy neighbour hits all alike; medians, never single runs. */
import { spawn } from "node:child_process";

export interface Contender {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  readonly cwd?: string;
  /** Over this process's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Some peers end with another code for the same work. */
  readonly exitCode?: number;
}

export interface Timing {
  readonly name: string;
  readonly medianMs: number;
  readonly runs: number;
}

/** Throws when a contender fails: a fast failure is not a result. */
export async function measure(contenders: readonly Contender[], rounds: number): Promise<Timing[]> {
  const samples = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  // The first round warms caches and does not count.
  for (let round = 0; round <= rounds; round += 1) {
    for (const contender of contenders) {
      const elapsedMs = await time(contender);
      if (round > 0) samples.get(contender.name)?.push(elapsedMs);
    }
  }
  return contenders.map(({ name }) => ({ name, medianMs: median(samples.get(name) ?? []), runs: rounds }));
}

async function time({ name, argv, cwd, env, exitCode = 0 }: Contender): Promise<number> {
  const [program, ...args] = argv;
  const startedAt = performance.now();
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors = `${errors}${chunk.toString("utf8")}`.slice(-2000)));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  const elapsedMs = performance.now() - startedAt;
  if (code !== exitCode) throw new Error(`${name} ended with ${code}: ${errors}`);
  return elapsedMs;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** A line each, with the ratio to the first. */
export function printTimings(title: string, timings: readonly Timing[]): void {
  const [first] = timings;
  process.stdout.write(`\n${title}\n`);
  for (const { name, medianMs, runs } of timings) {
    const ratio = first === undefined ? 1 : medianMs / first.medianMs;
    process.stdout.write(
      `  ${name.padEnd(42)} ${medianMs.toFixed(0).padStart(7)} ms  ${ratio.toFixed(2)}x  (median of ${runs})\n`,
    );
  }
}
