/** A few runs that are killed, each way at least once; `scripts/kill-runs.ts` does a hundred. */
import { expect, it } from "vitest";
import { killRuns } from "./kill-runs.ts";

it("leaves nothing of a run in which Hearth, the sandbox or the agent is killed, and touches no foreign machine", async () => {
  const { kills, foreignLost } = await killRuns({
    provider: "gvisor",
    runs: 6,
    // Strikes each of them.
    seed: 3,
    withinMs: 2_000,
    progress: () => undefined,
  });
  expect(new Set(kills.map(({ victim }) => victim))).toEqual(new Set(["hearth", "machine", "agent"]));
  expect(kills.flatMap(({ left }) => left)).toEqual([]);
  expect(foreignLost).toEqual([]);
  expect(kills.filter(({ isRight }) => !isRight)).toEqual([]);
});
