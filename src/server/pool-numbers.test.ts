import { describe, expect, it } from "vitest";
import { createMemoryServerStore } from "./memory-server-store.ts";
import { createMetrics } from "./metrics.ts";
import { poolNumbers } from "./pool-numbers.ts";
import { testClock } from "./server-store.contract.ts";
import { watchStore } from "./watched-store.ts";

describe("machines made ahead", () => {
  it("are counted over all providers, at each reading anew", async () => {
    const pool = { ready: 1, takenWarm: 3, takenCold: 1, made: 4, died: 0, waitMs: [] };
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
});
