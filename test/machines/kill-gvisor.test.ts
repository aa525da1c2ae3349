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
  const causes = (struck: string) => kills.flatMap(({ victim, cause }) => (victim === struck ? [cause] : []));
  expect(new Set(causes("agent"))).toEqual(new Set(["agent_ended"]));
  // Killed before it was there it is not lost: it did not start.
  const ofMachine = causes("machine").filter((cause) => cause !== "MACHINE_START_FAILED");
  expect(ofMachine.filter((cause) => cause !== "killed")).toEqual([]);
});
