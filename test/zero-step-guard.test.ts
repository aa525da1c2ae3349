/**
 * The first promise (DESIGN §1.1), attacked: random workflows, random exit codes, random faults of machines and moments of
 * cancelling. Whatever happens, every declared step of every job has exactly one fate, a run in which nothing ran or something
 * failed is no success, each workflow has one machine, and no machine is left.
 */
import {
  array,
  assert,
  asyncProperty,
  boolean,
  constantFrom,
  integer,
  nat,
  option,
  record,
  uniqueArray,
} from "fast-check";
import type { Arbitrary } from "fast-check";
import { describe, expect, it } from "vitest";
import { concludeRun, createFateLedger, findMissingFates } from "../src/engine/conclude.ts";
import { fakeProvider } from "../src/provider/fake/provider.ts";
import type { FakeKnobs } from "../src/provider/fake/provider.ts";
import type { RunEventBody } from "../src/store/run-event.ts";
import { abortAt, expectWholeRecord } from "./random-faults.ts";
import type { AbortMoments } from "./random-faults.ts";
import { planYaml, runPlan } from "./run-yaml.ts";

interface RandomStep {
  readonly code: number;
  readonly condition: string | undefined;
  readonly tolerated: boolean;
}

interface RandomJob {
  readonly steps: readonly RandomStep[];
  readonly needs: readonly number[];
  readonly condition: string | undefined;
  readonly cells: number;
  readonly failFast: boolean;
  readonly tolerated: boolean;
  readonly concurrency: string | undefined;
  /** Its steps are those of the called workflow then. */
  readonly calls: boolean;
}

const condition = constantFrom(
  undefined,
  "always()",
  "failure()",
  "success()",
  "cancelled()",
  "false",
  "true",
  "github.ref == 'x'",
);
const step: Arbitrary<RandomStep> = record({
  code: constantFrom(0, 0, 0, 1, 137),
  condition,
  tolerated: boolean(),
});
const jobs: Arbitrary<readonly RandomJob[]> = array(
  record({
    steps: array(step, { minLength: 1, maxLength: 4 }),
    needs: uniqueArray(nat(4), { maxLength: 2 }),
    condition,
    cells: constantFrom(1, 1, 2, 3),
    failFast: boolean(),
    tolerated: boolean(),
    concurrency: constantFrom(
      undefined,
      undefined,
      "g",
      "{ group: G, cancel-in-progress: true }",
      "{ group: g, queue: max }",
    ),
    calls: integer({ min: 0, max: 3 }).map((value) => value === 0),
  }),
  { minLength: 1, maxLength: 5 },
);

interface Faults extends AbortMoments {
  readonly dieDuringExec: number | undefined;
  readonly failProvision: boolean;
}

const faults: Arbitrary<Faults> = record({
  dieDuringExec: option(integer({ min: 1, max: 8 }), { nil: undefined, freq: 3 }),
  failProvision: integer({ min: 0, max: 9 }).map((value) => value === 0),
  cancelAt: option(nat(40), { nil: undefined, freq: 3 }),
  killAt: option(nat(40), { nil: undefined, freq: 5 }),
});

const CALLED = ".github/workflows/called.yml";

/** A job needs only jobs before it, so there is no cycle. */
function toYaml(random: readonly RandomJob[], trigger: "push" | "workflow_call"): string {
  const lines = [`on: ${trigger}`, "jobs:"];
  const letter = trigger === "push" ? "j" : "k";
  for (const [index, job] of random.entries()) {
    const calls = job.calls && trigger === "push";
    lines.push(`  ${letter}${index}:`, calls ? `    uses: ./${CALLED}` : "    runs-on: ubuntu-latest");
    if (job.concurrency !== undefined) lines.push(`    concurrency: ${job.concurrency}`);
    const needs = job.needs.filter((need) => need < index).map((need) => `${letter}${need}`);
    if (needs.length > 0) lines.push(`    needs: [${needs.join(", ")}]`);
    if (job.condition !== undefined) lines.push(`    if: ${job.condition}`);
    if (job.tolerated && !calls) lines.push("    continue-on-error: true");
    if (job.cells > 1) {
      const values = Array.from({ length: job.cells }, (_, cell) => cell).join(", ");
      lines.push("    strategy:", `      fail-fast: ${job.failFast}`, `      matrix: { cell: [${values}] }`);
    }
    if (calls) continue;
    lines.push("    steps:");
    for (const { code, condition, tolerated } of job.steps) {
      lines.push(`      - run: exit ${code}`);
      if (condition !== undefined) lines.push(`        if: ${condition}`);
      if (tolerated) lines.push("        continue-on-error: true");
    }
  }
  return lines.join("\n");
}

function knobsOf({ dieDuringExec, failProvision }: Faults): FakeKnobs {
  return {
    script: ({ write }) => ({ code: Number(/exit (\d+)/.exec(write[0]?.content ?? "")?.[1] ?? 0) }),
    ...(dieDuringExec === undefined ? {} : { dieDuringExec }),
    ...(failProvision ? { failProvision: "no room" } : {}),
  };
}

const completed = (step: string): RunEventBody => ({
  type: "step_completed",
  job: "a",
  step,
  phase: "main",
  name: step,
  fate: { kind: "skipped", reason: "" },
  durationMs: 0,
});

describe("the zero-step guard", () => {
  it("holds for random workflows under random faults", async () => {
    await assert(
      asyncProperty(
        jobs,
        jobs,
        faults,
        constantFrom("workflow" as const, "job" as const),
        async (random, below, broken, machinePer) => {
          const plan = planYaml(toYaml(random, "push"), { [CALLED]: toYaml(below, "workflow_call") });
          const provider = fakeProvider(knobsOf(broken));
          const ended = await runPlan(plan, { provider, machinePer, onEvent: abortAt(broken) });

          expectWholeRecord(ended);
          const { outcome, events } = ended;
          const { declared, ran } = outcome.counts;
          expect(declared).toBe(declaredInRecord(events));
          for (const [index, { calls, steps }] of random.entries()) {
            expect(jobsOf(events, `j${index}`)).toContain(calls ? 0 : steps.length);
          }
          for (const [index, { steps }] of below.entries()) {
            const called = random.some(({ calls }) => calls);
            expect(jobsOf(events, `k${index}`).includes(steps.length)).toBe(called);
          }
          const succeeded = outcome.conclusion === "success";
          expect(succeeded && ran === 0).toBe(false);
          expect(succeeded && outcome.error !== undefined).toBe(false);
          expect(succeeded && untoleratedFailure(events, random, below)).toBe(false);
          const machineAsked = events.some((event) => event.type === "machine_requested");
          expect(succeeded && broken.failProvision && machineAsked).toBe(false);
          const jobsStarted = events.filter((event) => event.type === "job_started").length;
          expect(provider.provisioned.length).toBeLessThanOrEqual(machinePer === "workflow" ? 1 : jobsStarted);
          expect(provider.live.size).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });

  const plan = planYaml("on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{ run: a }, { run: b }]\n");
  const planned: RunEventBody = {
    type: "job_planned",
    job: "a",
    id: "a",
    name: "a",
    steps: [
      { number: 1, name: "a", way: "run" },
      { number: 2, name: "b", way: "run" },
    ],
  };
  it.each([
    { name: "a job that is not in the record", events: [] },
    { name: "a job that declares fewer steps than the plan", events: [{ ...planned, steps: [] }] },
    { name: "a step without a fate", events: [planned, completed("1")] },
    { name: "a step with two fates", events: [planned, completed("1"), completed("2"), completed("2")] },
    {
      name: "a fate for a step that does not exist",
      events: [planned, completed("1"), completed("2"), completed("3")],
    },
  ])("sees $name", ({ events }) => {
    const ledger = createFateLedger();
    for (const event of events) ledger.note(event);
    expect(findMissingFates(plan, ledger)).not.toEqual([]);
  });

  it("makes no success of a run without a step that ran", () => {
    expect(concludeRun([{ conclusion: "success", tolerated: false }], false, false)).toBe("skipped");
    expect(concludeRun([], false, false)).toBe("skipped");
  });
});

function declaredInRecord(events: readonly RunEventBody[]): number {
  return events.reduce((sum, event) => sum + (event.type === "job_planned" ? event.steps.length : 0), 0);
}

/** How many steps each record of this job declares. */
function jobsOf(events: readonly RunEventBody[], id: string): number[] {
  return events.flatMap((event) => (event.type === "job_planned" && event.id === id ? [event.steps.length] : []));
}

function untoleratedFailure(
  events: readonly RunEventBody[],
  random: readonly RandomJob[],
  below: readonly RandomJob[],
): boolean {
  return events.some((event) => {
    if (event.type !== "step_completed" || event.fate.kind !== "ran" || event.fate.conclusion !== "failure")
      return false;
    const called = / \/ k(\d+)/.exec(event.job)?.[1];
    const job = called === undefined ? random[Number(/^j(\d+)/.exec(event.job)?.[1])] : below[Number(called)];
    return job?.tolerated !== true;
  });
}
