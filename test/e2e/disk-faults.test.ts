/**
 * A server whose disk fails at fsync says so and ends for its service to start it again: nothing more is taken, and nothing that was
 * acknowledged is lost (SECURITY-RELIABILITY F16). With strace(1), which Debian has as a package; without machines.
 */
import { describe, expect, it } from "vitest";
import { serveUntilFsyncFails, whyNoStrace } from "../fsync-fault.ts";

/** The first are those of the schema, the others of deliveries that are taken and settled. */
const TIMES = [1, 6, 10, 11, 12, 13, 35, 90];

const why = whyNoStrace();

describe("a disk whose fsync fails", { timeout: 180_000 }, () => {
  it.skipIf(why !== undefined).each(TIMES)(
    `ends the server, the %ith time on${why === undefined ? "" : ` (${why})`}`,
    async (nth) => {
      const { exitCode, stderr, lost, takenAfterwards } = await serveUntilFsyncFails(nth);
      expect({ exitCode, lost, takenAfterwards }).toEqual({ exitCode: 5, lost: [], takenAfterwards: 0 });
      expect(stderr).toContain("the disk fails");
    },
  );

  it.skipIf(why !== undefined)("is not met before something was acknowledged only", async () => {
    expect((await serveUntilFsyncFails(60)).acknowledged).toBeGreaterThan(5);
  });
});
