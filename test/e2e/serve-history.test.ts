/** A server that is killed every other second, from webhook to commit status (SECURITY-RELIABILITY 4.3). More: `scripts/serve-history.ts`. */
import { describe, expect, it } from "vitest";
import { serveHistory } from "../serve-history.ts";

describe("hearth serve that is killed again and again", { timeout: 900_000 }, () => {
  it("runs what it answered for, nothing twice, and tells GitHub as it ended", async () => {
    const verdict = await serveHistory({ webhooks: 12, lifeMs: 2_000, random: Math.random, killForMs: 60_000 });
    expect(verdict).toMatchObject({ faults: [], runs: 12 });
    expect(verdict.kills).toBeGreaterThan(0);
    expect(verdict.effects).toBeGreaterThanOrEqual(12);
  });
});
