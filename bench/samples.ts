/** Samples of one thing, in ms, as a line: the least is what it takes where nobody else has the processor at that moment. */
export function reportSamples(what: string, samples: readonly number[]): void {
  const [least, p50, p95] = [0, 0.5, 0.95].map((share) => sampleAt(samples, share)).map(formatMs);
  say(`    ${what.padEnd(52)} least ${least}  p50 ${p50}  p95 ${p95}   (${samples.length})`);
}

/** By nearest rank. */
export function sampleAt(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function formatMs(ms: number): string {
  return `${ms.toFixed(ms < 100 ? 1 : 0)} ms`.padStart(9);
}
