/**
 * Planning and the engine's own work, in this process: time a workflow over a corpus of real ones, memory, and how both grow with
 * steps and jobs. What is linear has the same time a step however many there are; the last column is that time beside the first.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { fakeProvider } from "../src/provider/fake/provider.ts";
import { planText } from "../test/corpus.ts";
import { planYaml, runPlan } from "../test/run-yaml.ts";
import { median } from "./measure.ts";

const ROUNDS = 5;
const STEPS_OF_A_JOB = 1_000;

/** Every real file is planned for its first event. */
export function measureCorpus(corpus: string): void {
  if (!existsSync(corpus))
    return void process.stdout.write(`\nPlanning a workflow: not measured, ${corpus} is not here\n`);
  const rows = readFileSync(join(corpus, "manifest.tsv"), "utf8").trim().split("\n").slice(1);
  const files = rows
    .map((row) => row.split("\t"))
    .filter(([, , , kind, label]) => kind === "workflow" && label === "real")
    .map(([, , , , , file = ""]) => ({ file, text: readFileSync(join(corpus, file), "utf8") }));
  const before = memory();
  const held: unknown[] = [];
  const first = files.map(({ file, text }) => timeMs(() => held.push(planText(file, text))));
  const after = memory();
  const later = files.map(({ file, text }) =>
    median(Array.from({ length: ROUNDS }, () => timeMs(() => void planText(file, text)))),
  );
  const perFile = (bytes: number): string => `${(bytes / files.length / 1024).toFixed(0)} KiB`;
  process.stdout.write(`\nPlanning a workflow, ${files.length} real ones\n`);
  process.stdout.write(`  the first time      ${summary(first)}\n`);
  process.stdout.write(`  later               ${summary(later)}   (each the median of ${ROUNDS})\n`);
  process.stdout.write(
    `  memory              ${mib(after.rss - before.rss)} more held by the process, ${mib(after.heap - before.heap)} by ${held.length} plans, ${perFile(after.heap - before.heap)} each\n`,
  );
}

function summary(times: readonly number[]): string {
  const allMs = times.reduce((total, time) => total + time, 0);
  return `median ${at(times, 0.5)}  p99 ${at(times, 0.99)}  max ${at(times, 1)}  in all ${allMs.toFixed(0)} ms`;
}

export async function measureGrowth(): Promise<void> {
  const counts = [10, 100, 1_000, 10_000];
  table(
    "Planning by steps",
    "step",
    counts.map((count) => [count, planMs(withSteps(count))]),
  );
  table(
    "Planning by jobs",
    "job",
    [1, 10, 100, 1_000].map((count) => [count, planMs(withJobs(count))]),
  );
  const steps: [number, number][] = [];
  for (const count of counts) steps.push([count, await runMs(withSteps(count))]);
  table("A run on the fake provider by steps", "step", steps);
  const jobs: [number, number][] = [];
  for (const count of [1, 10, 100, 1_000]) jobs.push([count, await runMs(withJobs(count))]);
  table("A run on the fake provider by jobs", "job", jobs);
}

function planMs(yaml: string): number {
  planYaml(yaml);
  return Math.min(...Array.from({ length: ROUNDS }, () => timeMs(() => void planYaml(yaml))));
}

/** The engine, the protocol and the services; the machine answers at once. */
async function runMs(yaml: string): Promise<number> {
  const plan = planYaml(yaml);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round += 1) {
    const startedAt = performance.now();
    const { outcome } = await runPlan(plan, { provider: fakeProvider() });
    best = Math.min(best, performance.now() - startedAt);
    if (outcome.conclusion !== "success") throw new Error(`The run ended with ${outcome.conclusion}`);
  }
  return best;
}

function table(title: string, unit: string, rows: readonly (readonly [count: number, ms: number])[]): void {
  process.stdout.write(`\n${title}\n`);
  // The smallest is mostly what does not depend on the number.
  const [, [count, ms] = [1, 1]] = rows;
  for (const [size, time] of rows) {
    const each = `${((time * 1000) / size).toFixed(0)} µs a ${unit}`;
    const ratio = `${(time / size / (ms / count)).toFixed(2)}x`;
    process.stdout.write(
      `  ${String(size).padStart(6)}  ${time.toFixed(1).padStart(9)} ms  ${each.padStart(16)}  ${ratio.padStart(7)}\n`,
    );
  }
}

function withSteps(count: number): string {
  const jobs: string[] = [];
  for (let from = 0; from < count; from += STEPS_OF_A_JOB) {
    const steps = "      - run: echo\n".repeat(Math.min(STEPS_OF_A_JOB, count - from));
    jobs.push(`  j${from}:\n    runs-on: ubuntu-latest\n    steps:\n${steps}`);
  }
  return `on: push\njobs:\n${jobs.join("")}`;
}

function withJobs(count: number): string {
  const jobs = Array.from({ length: count }, (_, job) => `  j${job}: {runs-on: ubuntu-latest, steps: [{run: echo}]}\n`);
  return `on: push\njobs:\n${jobs.join("")}`;
}

function timeMs(work: () => void): number {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
}

/** After what can be let go was let go. */
function memory(): { readonly rss: number; readonly heap: number } {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect();
  const { rss, heapUsed: heap } = process.memoryUsage();
  return { rss, heap };
}

function at(times: readonly number[], share: number): string {
  const sorted = times.toSorted((a, b) => a - b);
  const index = Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1);
  return `${(sorted[Math.max(0, index)] ?? Number.NaN).toFixed(1)} ms`;
}

function mib(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}
