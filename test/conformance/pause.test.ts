/** A job that waits at a failed step until somebody decides. */
import { describe, expect, it } from "vitest";
import { fakeProvider } from "../../src/provider/fake/provider.ts";
import type { PauseDecision } from "../../src/engine/job-pause.ts";
import type { LiveJob } from "../../src/door/live-job.ts";
import { runYaml } from "../run-yaml.ts";

const WORKFLOW = `
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: flaky
      - id: tolerated
        run: broken
        continue-on-error: true
      - run: after
      - if: failure()
        run: cleanup
  b: { needs: a, runs-on: ubuntu-latest, steps: [{ run: second job }] }`;

/** `flaky` writes a variable and fails so many times; `broken` always fails. Decides in turn, and then continues. */
async function paused(
  failures: number,
  decisions: readonly PauseDecision[],
  options: { readonly cancel?: boolean } = {},
) {
  const left = [...decisions];
  const scripts: string[] = [];
  let tries = 0;
  let live: LiveJob | undefined;
  const decided: unknown[] = [];
  const provider = fakeProvider({
    script(request, { files }) {
      const script =
        files
          .get(request.argv.at(-1) ?? "")
          ?.toString()
          .trim() ?? "";
      scripts.push(script);
      if (script === "broken") return { code: 1 };
      if (script !== "flaky") return { code: 0 };
      tries += 1;
      files.set(request.env["GITHUB_ENV"] ?? "", Buffer.from(`TRY=${tries}\n`));
      return { code: tries <= failures ? 1 : 0 };
    },
  });
  const run = await runYaml(WORKFLOW, {
    provider,
    pauseOnFailure: true,
    door: {
      admit(job) {
        live = job;
        return { [Symbol.dispose]: () => undefined };
      },
      visitors: () => 0,
    },
    onEvent(event, abort) {
      if (event.type !== "paused") return;
      setImmediate(() => {
        decided.push(live?.pausedAt() === Number(event.step));
        if (options.cancel === true) abort.cancel();
        else decided.push(live?.decide(left.shift() ?? "continue"));
      });
    },
  });
  expect(decided).not.toContain(false);
  expect(live?.decide("retry")).toBe(false);
  expect([...provider.live]).toEqual([]);
  const seen = run.events.flatMap((event) => {
    if (event.type === "paused") return [`paused ${event.step}`];
    return event.type === "went_on" ? [event.decision] : [];
  });
  return { run, scripts, seen, provider };
}

describe("a job that pauses on failure", () => {
  it("runs the step again as often as it is asked to, and has the fate of its last try", async () => {
    const { run, scripts, seen, provider } = await paused(2, ["retry", "retry"]);
    expect(seen).toEqual(["paused 1", "retry", "paused 1", "retry"]);
    expect(scripts).toEqual(["flaky", "flaky", "flaky", "broken", "after", "second job"]);
    expect(run.fates).toMatchObject({ "a/1": "success", "a/2": "failure/success", "a/3": "success", "a/4": "skipped" });
    expect(run.outcome.conclusion).toBe("success");
    // What the tries before it left in the environment is not there; what the last one left is.
    const execs = provider.provisioned[0]?.execs ?? [];
    expect(execs.slice(0, 4).map(({ env }) => env["TRY"])).toEqual([undefined, undefined, undefined, "3"]);
  });

  it("goes on with the failure", async () => {
    const { run, scripts, seen } = await paused(9, ["retry", "continue"]);
    expect(seen).toEqual(["paused 1", "retry", "paused 1", "continue"]);
    expect(scripts).toEqual(["flaky", "flaky", "cleanup"]);
    expect(run.conclusions).toEqual({ a: "failure", b: "skipped" });
  });

  it("is cancelled where that is decided", async () => {
    const { run, scripts } = await paused(9, ["abort"]);
    expect(scripts).toEqual(["flaky"]);
    expect(run.conclusions["a"]).toBe("cancelled");
    expect(run.fates).toMatchObject({ "a/1": "failure", "a/3": "cancelled" });
  });

  it("waits no longer when the run is cancelled", async () => {
    const { run, seen } = await paused(9, [], { cancel: true });
    expect(seen).toEqual(["paused 1", "continue"]);
    expect(run.outcome.conclusion).toBe("cancelled");
  });
});
