import { describe, expect, it } from "vitest";
import { runYaml } from "../../test/run-yaml.ts";
import { fakeProvider } from "../provider/fake/provider.ts";
import type { Provider } from "../provider/provider.ts";

const WORKFLOW = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n";

describe("the machine of a run", () => {
  it("that dies when it is there and has not spoken yet is lost with its cause, before the run ends", async () => {
    const fake = fakeProvider();
    const dying: Provider = {
      ...fake,
      async provision(spec, signal) {
        const machine = await fake.provision(spec, signal);
        fake.kill(spec.id);
        return machine;
      },
    };
    const { outcome, events } = await runYaml(WORKFLOW, { provider: dying });
    expect(outcome).toMatchObject({ conclusion: "failure", error: { code: "MACHINE_LOST" } });
    expect(events.flatMap(({ type }) => (type.startsWith("machine_") ? [type] : []))).toEqual([
      "machine_requested",
      "machine_lost",
      "machine_destroyed",
    ]);
    expect(events.find((event) => event.type === "machine_lost")).toMatchObject({ cause: "ended" });
    expect([...fake.live]).toEqual([]);
  });

  it("that is killed before it answers is lost with the cause that its provider knows", async () => {
    const dieAtStart = { cause: "killed", reason: "it was killed by SIGKILL", console: "last words" } as const;
    const { outcome, events } = await runYaml(WORKFLOW, { provider: fakeProvider({ dieAtStart }) });
    expect(outcome).toMatchObject({ conclusion: "failure", error: { code: "MACHINE_START_FAILED" } });
    expect(events.find((event) => event.type === "machine_lost")).toMatchObject(dieAtStart);
    expect(events.find((event) => event.type === "job_completed")).toMatchObject({
      reason: expect.stringContaining("it was killed by SIGKILL"),
    });
  });

  it("says when it was made before it was asked for", async () => {
    const fake = fakeProvider();
    const warm: Provider = {
      ...fake,
      provision: async (spec, signal) => ({ ...(await fake.provision(spec, signal)), warm: true }),
    };
    const { events } = await runYaml(WORKFLOW, { provider: warm });
    expect(events.find((event) => event.type === "machine_ready")).toMatchObject({ warm: true });
    const cold = await runYaml(WORKFLOW, { provider: fake });
    expect(cold.events.find((event) => event.type === "machine_ready")).not.toHaveProperty("warm");
  });
});
