/** What `runs-on` comes to in a run: which machines there are, and what becomes of jobs that no machine here can run. */
import { describe, expect, it } from "vitest";
import { leaveOutUnsupported } from "../../src/plan/leave-out.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { createRunnerMap } from "../../src/plan/runner-map.ts";
import type { MachineChoice, RunnerMap } from "../../src/plan/runner-map.ts";
import { fakeProvider } from "../../src/provider/fake/provider.ts";
import { planText, runPlan, runYaml } from "../run-yaml.ts";

const own: MachineChoice = { provider: undefined, image: undefined, cpus: undefined, memoryMib: undefined };
const host = { arch: "X64", images: [] } as const;

function runnersFor(machines: { readonly [label: string]: Partial<MachineChoice> }): RunnerMap {
  const entries = Object.entries(machines).map(([label, machine]) => {
    return { labels: [label], answer: { kind: "machine", machine: { ...own, ...machine } } as const };
  });
  return createRunnerMap(entries, host);
}

const runners = runnersFor({ gpu: { image: "cuda", cpus: 8 }, large: { memoryMib: 8192 }, same: { cpus: 1 } });

const FIVE_JOBS = `
on: push
jobs:
  a: { runs-on: ubuntu-latest, steps: [{ run: "true" }] }
  b: { runs-on: gpu, steps: [{ run: "true" }] }
  c: { runs-on: [self-hosted, GPU], steps: [{ run: "true" }] }
  d: { runs-on: large, steps: [{ run: "true" }] }
  e: { runs-on: same, steps: [{ run: "true" }] }
`;

describe("machines", () => {
  it("are one for each kind that the jobs of a workflow ask for, and gone at its end", async () => {
    const provider = fakeProvider({ images: ["cuda"] });
    const { outcome, events } = await runYaml(FIVE_JOBS, { provider, runners });
    expect(outcome.conclusion).toBe("success");
    expect(provider.provisioned.map(({ spec: { image, cpus, memoryMib } }) => ({ image, cpus, memoryMib }))).toEqual([
      { image: undefined, cpus: 1, memoryMib: 1024 },
      { image: "cuda", cpus: 8, memoryMib: 1024 },
      { image: undefined, cpus: 1, memoryMib: 8192 },
    ]);
    const started = events.flatMap((event) => (event.type === "job_started" ? [event.machine.slice(-2)] : []));
    expect(started).toEqual(["-1", "-2", "-2", "-3", "-1"]);
    expect(provider.live.size).toBe(0);
  });

  it("are one for each job with --machine-per job", async () => {
    const provider = fakeProvider({ images: ["cuda"] });
    await runYaml(FIVE_JOBS, { provider, runners, machinePer: "job" });
    expect(provider.provisioned.map(({ spec }) => spec.image ?? "")).toHaveLength(5);
    expect(provider.live.size).toBe(0);
  });

  it("are not made from an image that is not there: the run is an error, and what came before keeps its record", async () => {
    const provider = fakeProvider();
    const { outcome, conclusions } = await runYaml(FIVE_JOBS, { provider, runners });
    expect(outcome).toMatchObject({ conclusion: "failure", error: { code: "IMAGE_MISSING" } });
    expect(conclusions).toMatchObject({ a: "success", b: "failure", c: "cancelled" });
    expect(provider.live.size).toBe(0);
  });
});

/** Planned as `--skip-unsupported` does. */
function leavingOut(yaml: string, files: Record<string, string> = {}): Plan {
  const known = { runners: createRunnerMap([], host), vars: {} };
  const result = leaveOutUnsupported(planText(yaml, { files }), known);
  if (result.kind !== "planned") throw new Error(`the text of this test is ${result.kind}`);
  return result.plan;
}

describe("--skip-unsupported", () => {
  it("skips what cannot run and what needs it, runs the rest, and counts what was left out", async () => {
    const plan = leavingOut(`
on: push
jobs:
  test:
    runs-on: \${{ matrix.os }}
    strategy: { matrix: { os: [ubuntu-latest, windows-latest] } }
    steps: [{ run: echo tested }]
  publish: { needs: test, runs-on: ubuntu-latest, steps: [{ run: echo published }] }
  always: { needs: test, if: always(), runs-on: ubuntu-latest, steps: [{ run: "echo result \${{ needs.test.result }}" }] }
  contained: { runs-on: ubuntu-latest, container: alpine, steps: [{ run: echo a }, { run: echo b }] }
`);
    const run = await runPlan(plan, { skipUnsupported: true });
    expect(run.conclusions).toEqual({
      "test (ubuntu-latest)": "success",
      "test (windows-latest)": "skipped",
      publish: "skipped",
      always: "success",
      contained: "skipped",
    });
    expect(run.lines).toEqual(["tested", "result skipped"]);
    expect(run.fates).toMatchObject({ "contained/1": "skipped", "contained/2": "skipped", "publish/1": "skipped" });
    expect(run.outcome).toMatchObject({
      conclusion: "success",
      unsupportedJobs: 2,
      counts: { declared: 6, ran: 2, skipped: 4, notReached: 0, cancelled: 0 },
    });
    const reasons = run.events.flatMap((event) =>
      event.type === "step_completed" && event.fate.kind === "skipped" ? [event.fate.reason] : [],
    );
    expect(reasons.filter((reason) => reason.startsWith("unsupported: "))).toHaveLength(3);
    expect(run.events.at(-1)).toMatchObject({ type: "run_completed", unsupportedJobs: 2 });
  });

  it("skips a call of which a job was left out, for those that need the call", async () => {
    const files = {
      ".github/workflows/inner.yml":
        "on: workflow_call\njobs:\n  good: { runs-on: ubuntu-latest, steps: [{ run: echo good }] }\n  bad: { runs-on: macos-14, steps: [{ run: echo bad }] }\n",
    };
    const plan = leavingOut(
      `
on: push
jobs:
  call: { uses: ./.github/workflows/inner.yml }
  after: { needs: call, runs-on: ubuntu-latest, steps: [{ run: echo after }] }
`,
      files,
    );
    const { conclusions, outcome, lines } = await runPlan(plan, { skipUnsupported: true });
    expect(conclusions).toEqual({
      "call / good": "success",
      "call / bad": "skipped",
      call: "skipped",
      after: "skipped",
    });
    expect(outcome).toMatchObject({ unsupportedJobs: 1, counts: { declared: 3, ran: 1, skipped: 2 } });
    expect(lines).toEqual(["good"]);
  });

  it("starts no machine when nothing can run, and such a run is skipped", async () => {
    const provider = fakeProvider();
    const plan = leavingOut("on: push\njobs: { w: { runs-on: windows-latest, steps: [{ run: dir }] } }");
    const { outcome } = await runPlan(plan, { provider, skipUnsupported: true });
    expect(outcome).toMatchObject({ conclusion: "skipped", unsupportedJobs: 1, error: undefined });
    expect(provider.provisioned).toEqual([]);
  });

  const LATER = `
on: push
jobs:
  first:
    runs-on: ubuntu-latest
    outputs: { os: "\${{ steps.o.outputs.os }}" }
    steps: [{ id: o, run: 'echo os=macos-14 >> "$GITHUB_OUTPUT"' }]
  second: { needs: first, runs-on: "\${{ needs.first.outputs.os }}", steps: [{ run: echo never }] }
`;

  it("leaves out a job whose runner is known only when it starts", async () => {
    const { outcome, conclusions, lines } = await runPlan(leavingOut(LATER), { skipUnsupported: true });
    expect(conclusions).toEqual({ first: "success", second: "skipped" });
    expect(outcome).toMatchObject({ conclusion: "success", unsupportedJobs: 1 });
    expect(lines).toEqual([]);
  });

  it("is not the default: such a job fails, before a machine is asked for", async () => {
    const { outcome, conclusions, fates } = await runYaml(LATER, { machinePer: "job" });
    expect(conclusions).toEqual({ first: "success", second: "failure" });
    expect(fates).toMatchObject({ "second/1": "not_reached" });
    expect(outcome).toMatchObject({ conclusion: "failure", unsupportedJobs: 0, error: undefined });
  });
});
