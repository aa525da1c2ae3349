/**
 * Random arrangements of actions with `pre` and `post`, alone and in composite actions, against a model of the order in which
 * GitHub runs their phases (ACTIONS-CONTRACT §3.3, §3.4); and the same arrangements under cancels, kills, lost machines and
 * archives that cannot be had.
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
import { fakeActionSource } from "../fake-actions.ts";
import type { ActionKnobs } from "../fake-actions.ts";
import { abortAt, expectWholeRecord } from "../random-faults.ts";
import type { AbortMoments } from "../random-faults.ts";
import { runYaml } from "../run-yaml.ts";
import type { YamlRun } from "../run-yaml.ts";

type Condition = "success()" | "failure()" | "always()" | "false";
type Phase = "pre" | "main" | "post";

interface Common {
  readonly condition: Condition;
  readonly tolerated: boolean;
}

interface Action extends Common {
  readonly kind: "action";
  /** Its `pre-if` and `post-if`; undefined: it has none of that phase. */
  readonly pre: Condition | undefined;
  readonly post: Condition | undefined;
  readonly fails: Phase | undefined;
}

interface Composite extends Common {
  readonly kind: "composite";
  readonly children: readonly Item[];
}

interface Script extends Common {
  readonly kind: "script";
  readonly fails: boolean;
}

type Item = Action | Composite | Script;

const condition = constantFrom<Condition>("success()", "success()", "success()", "failure()", "always()", "false");
const hook = option(constantFrom<Condition>("always()", "always()", "success()", "failure()"), { nil: undefined });
const common = { condition, tolerated: boolean() };
const action: Arbitrary<Action> = record({
  kind: constant("action"),
  ...common,
  pre: hook,
  post: hook,
  fails: option(constantFrom<Phase>("pre", "main", "post"), { nil: undefined, freq: 2 }),
});
const script: Arbitrary<Script> = record({ kind: constant("script"), ...common, fails: boolean() });

function items(depth: number, maxLength: number): Arbitrary<readonly Item[]> {
  const leaf = oneof({ weight: 3, arbitrary: action }, { weight: 1, arbitrary: script });
  if (depth === 0) return array(leaf, { minLength: 1, maxLength });
  const composite: Arbitrary<Composite> = record({
    kind: constant("composite"),
    ...common,
    children: items(depth - 1, 3),
  });
  return array(oneof({ weight: 2, arbitrary: leaf }, { weight: 1, arbitrary: composite }), { minLength: 1, maxLength });
}

const arrangements = items(2, 5);

describe("an arrangement of actions", () => {
  it("runs the phases, keeps the state and comes to the results that the rules say", async () => {
    await assert(
      asyncProperty(arrangements, async (steps) => {
        const trace: string[] = [];
        const { outcome, fates } = await run(steps, trace, {}, {}, {});
        const expected = model(steps);
        expect(outcome.error).toBeUndefined();
        expect(trace).toEqual(expected.trace);
        expect(fates).toEqual(expected.fates);
        expect(outcome.conclusion).toBe(expected.conclusion);
      }),
      { numRuns: 200 },
    );
  });

  it("gives each step one fate also when the run is cancelled or killed, its machine is lost, or an action cannot be had", async () => {
    await assert(
      asyncProperty(
        arrangements,
        option(integer({ min: 1, max: 12 }), { nil: undefined }),
        option(nat(40), { nil: undefined }),
        option(nat(40), { nil: undefined, freq: 4 }),
        option(constantFrom("gone", "broken off"), { nil: undefined, freq: 4 }),
        async (steps, dieDuringExec, cancelAt, killAt, trouble) => {
          const knobs = dieDuringExec === undefined ? {} : { dieDuringExec };
          const ofActions: ActionKnobs =
            trouble === "gone"
              ? { beforeOpen: () => Promise.reject(new Error("gone")) }
              : { breakOff: trouble !== undefined };
          const ended = await run(steps, [], knobs, { cancelAt, killAt }, ofActions);
          expectWholeRecord(ended);
          const { outcome } = ended;
          expect(outcome.error?.code).not.toBe("INTERNAL");
          expect(outcome.conclusion === "success" && model(steps).conclusion !== "success").toBe(false);
        },
      ),
      { numRuns: 200 },
    );
  });
});

async function run(
  steps: readonly Item[],
  trace: string[],
  knobs: FakeKnobs,
  moments: AbortMoments,
  ofActions: ActionKnobs,
): Promise<YamlRun> {
  const actions: Record<string, Record<string, string>> = {};
  const yaml = [
    "on: push",
    "jobs:",
    "  job:",
    "    runs-on: ubuntu-latest",
    "    steps:",
    ...yamlOf(steps, "", actions),
  ];
  return runYaml(yaml.join("\n"), {
    actions,
    actionSource: fakeActionSource(actions, undefined, ofActions),
    ladder: { interruptMs: 20, terminateMs: 20, killMs: 1_000 },
    provider: fakeProvider({
      script: ({ argv, env, write }, { files }) => {
        const phase = /\/(pre|main|post)\.js$/.exec(argv.at(-1) ?? "")?.[1];
        if (phase === undefined) return { code: Number(/exit (\d)/.exec(write[0]?.content ?? "")?.[1] ?? 0) };
        const state = `${env["STATE_seen"] ?? ""}${phase[0]}`;
        trace.push(`${phase} ${env["INPUT_NAME"]} ${state}`);
        files.set(env["GITHUB_STATE"] ?? "", Buffer.from(`seen=${state}\n`));
        return { code: env["INPUT_FAIL"] === phase ? 1 : 0 };
      },
      ...knobs,
    }),
    onEvent: abortAt(moments),
  });
}

/** The steps, and into `actions` what they use: one action for each. */
function yamlOf(steps: readonly Item[], around: string, actions: Record<string, Record<string, string>>): string[] {
  return steps.map((item, index) => {
    const address = `${around}${index + 1}`;
    const keys = `if: ${item.condition}, continue-on-error: ${item.tolerated}`;
    if (item.kind === "script") return `      - { run: exit ${item.fails ? 1 : 0}, shell: bash, ${keys} }`;
    const uses = `o/a${address}@v1`;
    actions[uses] = { "action.yml": manifestOf(item, address, actions) };
    const inputs = item.kind === "action" ? `, with: { name: "${address}", fail: "${item.fails ?? ""}" }` : "";
    return `      - { uses: ${uses}, ${keys}${inputs} }`;
  });
}

function manifestOf(
  item: Action | Composite,
  address: string,
  actions: Record<string, Record<string, string>>,
): string {
  const head = `name: a\ndescription: d\ninputs: { name: { description: d }, fail: { description: d } }\n`;
  if (item.kind === "composite") {
    return `${head}runs:\n  using: composite\n  steps:\n${yamlOf(item.children, `${address}.`, actions).join("\n")}\n`;
  }
  const pre = item.pre === undefined ? "" : `, pre: pre.js, pre-if: ${item.pre}`;
  const post = item.post === undefined ? "" : `, post: post.js, post-if: ${item.post}`;
  return `${head}runs: { using: node24, main: main.js${pre}${post} }\n`;
}

type Status = "success" | "failure";

interface Modelled {
  readonly trace: readonly string[];
  readonly fates: Readonly<Record<string, string>>;
  readonly conclusion: string;
}

/** GitHub's rules, with its runner's stack of posts. */
function model(steps: readonly Item[]): Modelled {
  const trace: string[] = [];
  const fates: Record<string, string> = {};
  const state = new Map<string, string>();
  const registered = new Set<string>();
  const stack: { readonly item: Item; readonly address: string }[] = [];
  const job = { status: "success" as Status };
  let worked = false;

  const holds = (asked: Condition, status: Status): boolean =>
    asked === "always()" || (asked !== "false" && asked.startsWith(status));
  const conclude = ({ tolerated }: Item, outcome: Status): Status => (tolerated ? "success" : outcome);
  const process = (phase: Phase, { fails }: Action, address: string): Status => {
    const seen = `${state.get(address) ?? ""}${phase[0]}`;
    state.set(address, seen);
    trace.push(`${phase} ${address} ${seen}`);
    return fails === phase ? "failure" : "success";
  };
  const register = (item: Item, address: string): void => {
    if (registered.has(address)) return;
    registered.add(address);
    if (!address.includes(".")) stack.push({ item, address });
  };

  /** Undefined: skipped. The result before `continue-on-error`. */
  const pre = (item: Item, address: string): Status | undefined => {
    if (item.kind === "script") return undefined;
    if (item.kind === "action") {
      if (!holds(item.pre ?? "false", job.status)) return undefined;
      if (item.post !== undefined) register(item, address);
      return process("pre", item, address);
    }
    if (hasPost(item)) register(item, address);
    const ends = item.children.map((child, index) => {
      const end = pre(child, `${address}.${index + 1}`);
      return end === undefined ? "success" : conclude(child, end);
    });
    return ends.includes("failure") ? "failure" : "success";
  };
  const main = (item: Item, address: string): Status => {
    if (item.kind === "script") return item.fails ? "failure" : "success";
    if (hasPost(item)) register(item, address);
    if (item.kind === "action") return process("main", item, address);
    let status: Status = "success";
    for (const [index, child] of item.children.entries()) {
      if (!holds(child.condition, status)) continue;
      if (conclude(child, main(child, `${address}.${index + 1}`)) === "failure") status = "failure";
    }
    return status;
  };
  /** Undefined: skipped; "nothing": there was nothing to do. */
  const post = (item: Item, address: string): Status | "nothing" | undefined => {
    if (item.kind === "script" || !registered.has(address)) return "nothing";
    if (item.kind === "action") {
      return holds(item.post ?? "false", job.status) ? process("post", item, address) : undefined;
    }
    const ends = item.children
      .map((child, index) => ({ child, address: `${address}.${index + 1}` }))
      .toReversed()
      .map((one) => ({ ...one, end: post(one.child, one.address) }));
    if (ends.every(({ end }) => end === "nothing")) return "nothing";
    const fails = ends.some(({ child, end }) => end === "failure" && conclude(child, end) === "failure");
    return fails ? "failure" : "success";
  };
  const note = (ref: string, item: Item, end: Status | undefined): void => {
    if (end === undefined) fates[`job/${ref}`] = "skipped";
    else {
      const conclusion = conclude(item, end);
      fates[`job/${ref}`] = conclusion === end ? end : `${end}/${conclusion}`;
      if (conclusion === "failure") job.status = "failure";
    }
  };

  for (const [index, item] of steps.entries()) {
    if (hasPre(item)) note(`pre-${index + 1}`, item, pre(item, `${index + 1}`));
  }
  for (const [index, item] of steps.entries()) {
    const runs = holds(item.condition, job.status);
    worked ||= runs;
    note(`${index + 1}`, item, runs ? main(item, `${index + 1}`) : undefined);
  }
  for (const { item, address } of stack.toReversed()) {
    const end = post(item, address);
    if (end !== "nothing") note(`post-${address}`, item, end);
  }
  return { trace, fates, conclusion: job.status === "success" && !worked ? "skipped" : job.status };
}

function hasPre(item: Item): boolean {
  return item.kind === "composite" ? item.children.some(hasPre) : item.kind === "action" && item.pre !== undefined;
}

function hasPost(item: Item): boolean {
  return item.kind === "composite" ? item.children.some(hasPost) : item.kind === "action" && item.post !== undefined;
}

/** So that the properties above do not hold of nothing. */
describe("the model", () => {
  it("registers in pre, runs posts in reverse and blocks as one", () => {
    const plain = { kind: "action", condition: "success()", tolerated: false, fails: undefined } as const;
    const late: Action = { ...plain, pre: undefined, post: "always()" };
    const full: Action = { ...plain, pre: "always()", post: "always()" };
    const block: Composite = { kind: "composite", condition: "false", tolerated: false, children: [late, full] };
    expect(model([late, block, full])).toEqual({
      trace: ["pre 2.2 p", "pre 3 p", "main 1 m", "main 3 pm", "post 1 mp", "post 3 pmp", "post 2.2 pp"],
      fates: {
        "job/pre-2": "success",
        "job/pre-3": "success",
        "job/1": "success",
        "job/2": "skipped",
        "job/3": "success",
        "job/post-1": "success",
        "job/post-2": "success",
        "job/post-3": "success",
      },
      conclusion: "success",
    });
  });
});
