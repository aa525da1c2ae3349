/**
 * Random arrangements of steps in the background and of those that start, await and end them, against a model of the rules
 * (ACTIONS-CONTRACT §3.3, §3.4); and the same arrangements under cancels, kills and lost machines.
 */
import {
  array,
  assert,
  asyncProperty,
  boolean,
  constant,
  constantFrom,
  integer,
  nat,
  oneof,
  option,
  record,
} from "fast-check";
import type { Arbitrary } from "fast-check";
import { describe, expect, it } from "vitest";
import { fakeProvider } from "../../src/provider/fake/provider.ts";
import type { FakeKnobs } from "../../src/provider/fake/provider.ts";
import { abortAt, expectWholeRecord } from "../random-faults.ts";
import type { AbortMoments } from "../random-faults.ts";
import { runYaml } from "../run-yaml.ts";

interface Work {
  readonly kind: "work";
  readonly code: number;
  readonly condition: "success()" | "failure()" | "always()" | "false";
  readonly tolerated: boolean;
  readonly background: boolean;
}

/** Targets are places in the arrangement, before this one. */
type Item =
  | Work
  /** In the background, until it is cancelled. */
  | { readonly kind: "serve" }
  | { readonly kind: "wait"; readonly target: number; readonly tolerated: boolean }
  | { readonly kind: "wait-all"; readonly tolerated: boolean }
  | { readonly kind: "cancel"; readonly target: number }
  | { readonly kind: "parallel"; readonly steps: readonly Work[] };

const work: Arbitrary<Work> = record({
  kind: constant("work"),
  code: constantFrom(0, 0, 1),
  condition: constantFrom("success()", "success()", "failure()", "always()", "false"),
  tolerated: boolean(),
  background: boolean(),
});
const arrangements: Arbitrary<readonly Item[]> = array(
  oneof(
    { weight: 5, arbitrary: work },
    { weight: 1, arbitrary: record({ kind: constant("serve" as const) }) },
    { weight: 2, arbitrary: record({ kind: constant("wait" as const), target: nat(99), tolerated: boolean() }) },
    { weight: 1, arbitrary: record({ kind: constant("wait-all" as const), tolerated: boolean() }) },
    {
      weight: 1,
      arbitrary: record({ kind: constant("parallel" as const), steps: array(work, { minLength: 1, maxLength: 3 }) }),
    },
  ),
  { minLength: 1, maxLength: 9 },
)
  .map(startable)
  .filter((items) => items.length > 0);

/** Waits name a step that is there, and what serves is cancelled before anything waits for it. */
function startable(random: readonly Item[]): readonly Item[] {
  const items: Item[] = [];
  let serving: number[] = [];
  const stopAll = (): void => {
    items.push(...serving.map((target) => ({ kind: "cancel" as const, target })));
    serving = [];
  };
  for (const item of random) {
    if (item.kind === "wait" || item.kind === "wait-all") stopAll();
    if (item.kind === "serve") serving.push(items.length);
    const named = [...items.keys()].filter((place) => items[place]?.kind !== "parallel");
    if (item.kind !== "wait") items.push(item);
    else if (named.length > 0) items.push({ ...item, target: named[item.target % named.length] ?? 0 });
  }
  stopAll();
  return items;
}

describe("an arrangement of background steps", () => {
  it("gives each step the fate and the job the conclusion that the rules say", async () => {
    await assert(
      asyncProperty(arrangements, async (items) => {
        const { outcome, fates } = await run(items, {}, {});
        const expected = model(items);
        expect(outcome.error).toBeUndefined();
        expect(Object.fromEntries(Object.entries(fates).filter(([step]) => /^job\/\d+$/.test(step)))).toEqual(
          expected.fates,
        );
        expect(outcome.conclusion).toBe(expected.conclusion);
      }),
      { numRuns: 300 },
    );
  });

  it("gives each step one fate also when the run is cancelled or killed, or its machine is lost", async () => {
    await assert(
      asyncProperty(
        arrangements,
        option(integer({ min: 1, max: 10 }), { nil: undefined }),
        option(nat(40), { nil: undefined }),
        option(nat(40), { nil: undefined, freq: 5 }),
        async (items, dieDuringExec, cancelAt, killAt) => {
          const knobs = dieDuringExec === undefined ? {} : { dieDuringExec };
          const ended = await run(items, knobs, { cancelAt, killAt });
          expectWholeRecord(ended);
          const { outcome, events } = ended;
          expect(outcome.conclusion === "success" && model(items).conclusion !== "success").toBe(false);
          const lastStep = events.findLastIndex(({ type }) => type === "step_completed");
          expect(events.findIndex(({ type }) => type === "job_completed")).toBeGreaterThan(lastStep);
        },
      ),
      { numRuns: 300 },
    );
  });
});

async function run(items: readonly Item[], knobs: FakeKnobs, moments: AbortMoments): ReturnType<typeof runYaml> {
  return runYaml(toYaml(items), {
    ladder: { interruptMs: 20, terminateMs: 20, killMs: 1_000 },
    provider: fakeProvider({
      script: ({ write }) => {
        const script = write[0]?.content ?? "";
        if (script === "serve") return { untilSignal: () => ({ signal: "SIGINT" }) };
        return { code: Number(/exit (\d)/.exec(script)?.[1] ?? 0) };
      },
      ...knobs,
    }),
    onEvent: abortAt(moments),
  });
}

function toYaml(items: readonly Item[]): string {
  const lines = items.flatMap((item, place) => {
    if (item.kind !== "parallel") return [`      - { id: s${place}, ${keysOf(item)} }`];
    return [
      "      - parallel:",
      ...item.steps.map((inner) => `          - { ${keysOf({ ...inner, background: false })} }`),
    ];
  });
  return ["on: push", "jobs:", "  job:", "    runs-on: ubuntu-latest", "    steps:", ...lines].join("\n");
}

function keysOf(item: Exclude<Item, { kind: "parallel" }>): string {
  switch (item.kind) {
    case "work": {
      const background = item.background ? ", background: true" : "";
      return `run: exit ${item.code}, if: "${item.condition}", continue-on-error: ${item.tolerated}${background}`;
    }
    case "serve":
      return "run: serve, if: always(), background: true";
    case "wait":
      return `wait: s${item.target}, continue-on-error: ${item.tolerated}`;
    case "wait-all":
      return `wait-all: true, continue-on-error: ${item.tolerated}`;
    case "cancel":
      return `cancel: s${item.target}`;
    default:
      throw new Error("no such step");
  }
}

/** The rules: a background step's condition is asked in its turn, its failure counts where it is waited for. */
function model(items: readonly Item[]): { fates: Record<string, string>; conclusion: string } {
  const fates: Record<string, string> = {};
  const background = new Map<number, { readonly failed: boolean; collected: boolean }>();
  let failed = false;
  let worked = false;
  let number = 0;
  const conclude = (step: number, fails: boolean, tolerated: boolean): boolean => {
    fates[`job/${step}`] = fails ? (tolerated ? "failure/success" : "failure") : "success";
    return fails && !tolerated;
  };
  const fate = ({ condition, code, tolerated }: Work, step: number): boolean => {
    const holds = { "success()": !failed, "failure()": failed, "always()": true, false: false }[condition];
    worked ||= holds;
    if (holds) return conclude(step, code !== 0, tolerated);
    fates[`job/${step}`] = "skipped";
    return false;
  };
  const collect = (places: readonly number[]): boolean => {
    const found = places.flatMap((place) => background.get(place) ?? []);
    for (const step of found) step.collected = true;
    return found.some((step) => step.failed);
  };
  const open = (): number[] => [...background].filter(([, step]) => !step.collected).map(([place]) => place);

  for (const [place, item] of items.entries()) {
    const step = (number += 1);
    switch (item.kind) {
      case "work":
        if (item.background) background.set(place, { failed: fate(item, step), collected: false });
        else failed = fate(item, step) || failed;
        break;
      case "serve":
        worked = true;
        fates[`job/${step}`] = "cancelled";
        background.set(place, { failed: false, collected: false });
        break;
      case "wait":
        failed = conclude(step, collect([item.target]), item.tolerated) || failed;
        break;
      case "wait-all":
        failed = conclude(step, collect(open()), item.tolerated) || failed;
        break;
      case "cancel":
        conclude(step, collect([item.target]), false);
        break;
      case "parallel": {
        const ends = item.steps.map((inner) => fate(inner, (number += 1)));
        failed = conclude(step, ends.includes(true), false) || failed;
      }
    }
  }
  failed = collect(open()) || failed;
  return { fates, conclusion: failed ? "failure" : worked ? "success" : "skipped" };
}
