import { describe, expect, it } from "vitest";
import { createMemoryServerStore } from "./memory-server-store.ts";
import { createMetrics } from "./metrics.ts";
import { poolHistograms, poolNumbers } from "./pool-numbers.ts";
import { testClock } from "./server-store.contract.ts";
import { watchStore } from "./watched-store.ts";

const waits = (...counts: readonly number[]) =>
  [10, 2_500, Number.POSITIVE_INFINITY].map((atMost, index) => ({ atMost, count: counts[index] ?? 0 }));

describe("machines made ahead", () => {
  it("are counted over all providers, at each reading anew", async () => {
    const pool = { ready: 1, takenWarm: 3, takenCold: 1, made: 4, died: 0, waitMs: [], waitedMs: 0 };
    const pools = [pool];
    const metrics = await createMetrics({
      ...watchStore(createMemoryServerStore(testClock())),
      running: () => 0,
      numbers: poolNumbers(() => pools),
    });
    expect(await metrics.text()).toContain("\nhearth_pool_warm_total 3\n");
    pools.push({ ...pool, ready: 0, takenWarm: 2 });
    const text = await metrics.text();
    expect(text).toContain("# TYPE hearth_pool_warm_total counter\nhearth_pool_warm_total 5\n");
    expect(text).toContain("# TYPE hearth_pool_ready gauge\nhearth_pool_ready 1\n");
  });

  it("tell how long runs waited, as a histogram of all providers", async () => {
    const pool = { ready: 0, takenWarm: 0, takenCold: 0, made: 0, died: 0 };
    const pools = [
      { ...pool, waitMs: waits(3, 1, 1), waitedMs: 63_000 },
      { ...pool, waitMs: waits(0, 2, 0), waitedMs: 500 },
    ];
    const metrics = await createMetrics({
      ...watchStore(createMemoryServerStore(testClock())),
      running: () => 0,
      histograms: poolHistograms(() => pools),
    });
    const text = (await metrics.text()).split("\n").filter((line) => line.includes("hearth_pool_wait"));
    expect(text).toEqual([
      "# HELP hearth_pool_wait_seconds How long runs waited for their machine, made ahead or not",
      "# TYPE hearth_pool_wait_seconds histogram",
      'hearth_pool_wait_seconds_bucket{le="0.01"} 3',
      'hearth_pool_wait_seconds_bucket{le="2.5"} 6',
      'hearth_pool_wait_seconds_bucket{le="+Inf"} 7',
      "hearth_pool_wait_seconds_sum 63.5",
      "hearth_pool_wait_seconds_count 7",
    ]);
    pools.length = 0;
    expect(await metrics.text()).toContain('hearth_pool_wait_seconds_bucket{le="+Inf"} 0\n');
  });
});
