/** What was answered 202 becomes exactly one run, whatever is killed when (SECURITY-RELIABILITY F01, F02). More: `scripts/kill-server.ts`. */
import { describe, expect, it } from "vitest";
import { FAIL_POINTS } from "../../src/server/fail-point.ts";
import { killServer } from "../../src/server/kill-server.fixture.ts";

describe("a server that is killed", { timeout: 900_000 }, () => {
  it.each(FAIL_POINTS)("at %s loses nothing that it answered for, and does nothing twice", async (failAt) => {
    const verdict = await killServer({ webhooks: 6, failAt, atOnce: 3 });
    expect(verdict).toMatchObject({ firstEnd: "SIGKILL", kills: 1, lost: [], doubled: [] });
  });

  it("now and then loses nothing of two hundred webhooks", async () => {
    const verdict = await killServer({ webhooks: 200, random: Math.random });
    expect(verdict).toMatchObject({ lost: [], doubled: [] });
    expect(verdict.kills).toBeGreaterThan(0);
  });
});
