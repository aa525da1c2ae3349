/** Machines made ahead, as numbers for Prometheus: those of all providers together. */
import type { PoolMetrics } from "../pool/warm-pool.ts";
import type { MetricHistogram, MetricNumber } from "./metrics.ts";

export function poolNumbers(pools: () => readonly PoolMetrics[]): readonly MetricNumber[] {
  const sumOf = (read: (pool: PoolMetrics) => number) => (): number =>
    pools().reduce((sum, pool) => sum + read(pool), 0);
  const number = (kind: MetricNumber["kind"], name: string, help: string, read: (pool: PoolMetrics) => number) => ({
    kind,
    name,
    help,
    value: sumOf(read),
  });
  return [
    number("gauge", "hearth_pool_ready", "Machines that were made ahead and wait for a run", ({ ready }) => ready),
    number("counter", "hearth_pool_made_total", "Machines made ahead", ({ made }) => made),
    number("counter", "hearth_pool_warm_total", "Machines that a run found ready", ({ takenWarm }) => takenWarm),
    number("counter", "hearth_pool_cold_total", "Machines that a run had to wait for", ({ takenCold }) => takenCold),
    number("counter", "hearth_pool_died_total", "Machines made ahead that ended before a run came", ({ died }) => died),
  ];
}

export function poolHistograms(pools: () => readonly PoolMetrics[]): readonly MetricHistogram[] {
  return [
    {
      name: "hearth_pool_wait_seconds",
      help: "How long runs waited for their machine, made ahead or not",
      read: () => {
        const counts = new Map<number, number>();
        for (const { atMost, count } of pools().flatMap(({ waitMs }) => waitMs)) {
          counts.set(atMost / 1000, (counts.get(atMost / 1000) ?? 0) + count);
        }
        const buckets = [...counts].map(([atMost, count]) => ({ atMost, count }));
        return {
          buckets: buckets.toSorted((left, right) => left.atMost - right.atMost),
          sum: pools().reduce((sum, { waitedMs }) => sum + waitedMs, 0) / 1000,
        };
      },
    },
  ];
}
