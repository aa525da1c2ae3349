/** Actions of other repositories in a job: how they come into the machine, their phases and what they see (ACTIONS-CONTRACT §3.4, §4.1, §4.2). */
import { describe, expect, it } from "vitest";
import { fakeActionSource } from "../fake-actions.ts";
import type { FakeActions } from "../fake-actions.ts";
import { planYaml, runPlan, runYaml } from "../run-yaml.ts";
import type { YamlRun, YamlRunOptions } from "../run-yaml.ts";

/** Says its phase, its input and its state; `fail` names the phase that fails. */
const SPEAKER = `
const phase = process.argv[1].replace(/.*\\/(\\w+)\\.js$/, '$1');
const { INPUT_NAME: name, INPUT_FAIL: fail, STATE_seen: seen = '' } = process.env;
console.log([phase, name, ...(seen ? [seen] : [])].join(' '));
require('fs').appendFileSync(process.env.GITHUB_STATE, 'seen=' + seen + phase[0] + '\\n');
if (fail === phase) process.exit(1);
`;
const INPUTS = "inputs: { name: { description: d, default: x }, fail: { description: d } }";

function speaker(runs: string): Record<string, string> {
  return {
    "action.yml": `name: a\ndescription: d\n${INPUTS}\nruns: { using: node20, main: main.js, ${runs} }`,
    "pre.js": SPEAKER,
    "main.js": SPEAKER,
    "post.js": SPEAKER,
  };
}

const ACTIONS: FakeActions = {
  "o/full@v1": speaker("pre: pre.js, post: post.js"),
  "o/late@v1": speaker("post: post.js"),
  "o/plain@v1": speaker(""),
};

function composite(steps: string, more = ""): { "action.yml": string } {
  return {
    "action.yml": `name: c\ndescription: d\n${INPUTS}\n${more}\nruns:\n  using: composite\n  steps:\n${steps}`,
  };
}

function job(steps: string, job = ""): string {
  return `on: push\njobs:\n  job:\n    runs-on: ubuntu-latest\n${job}    steps:\n${steps}`;
}

function run(steps: string, options: YamlRunOptions = {}): Promise<YamlRun> {
  return runYaml(job(steps), { ...options, actions: { ...ACTIONS, ...options.actions } });
}

function setUpLines({ events }: YamlRun): readonly string[] {
  return events.flatMap((event) => (event.type === "log" && event.step === "set-up" ? [event.line] : []));
}

describe("the phases of an action", () => {
  it("are pre before the first step, main in its turn, post at the end in reverse, with one state", async () => {
    const { lines, fates, outcome } = await run(`
      - run: echo first
      - { uses: o/full@v1, with: { name: one } }
      - { uses: o/full@v1, with: { name: two } }
      - run: echo last`);
    expect(lines).toEqual([
      "pre one",
      "pre two",
      "first",
      "main one p",
      "main two p",
      "last",
      "post two pm",
      "post one pm",
    ]);
    expect(fates).toEqual({
      "job/pre-2": "success",
      "job/pre-3": "success",
      "job/post-2": "success",
      "job/post-3": "success",
      "job/1": "success",
      "job/2": "success",
      "job/3": "success",
      "job/4": "success",
    });
    expect(outcome.counts).toEqual({ declared: 4, ran: 4, skipped: 0, notReached: 0, cancelled: 0 });
  });

  it("register the post in pre where there is one, so that it comes after those of all others", async () => {
    const { lines } = await run(`
      - { uses: o/late@v1, with: { name: late } }
      - { uses: o/full@v1, with: { name: full } }`);
    expect(lines).toEqual(["pre full", "main late", "main full p", "post late m", "post full pm"]);
  });

  it("are pre and post also where the step's condition is false, but main is not", async () => {
    const { lines, fates } = await run(`
      - { uses: o/full@v1, if: false, with: { name: off } }
      - { uses: o/late@v1, if: false, with: { name: never } }
      - run: echo on`);
    expect(lines).toEqual(["pre off", "on", "post off p"]);
    expect(fates).toMatchObject({ "job/1": "skipped", "job/2": "skipped", "job/post-1": "success" });
    expect(Object.keys(fates)).not.toContain("job/post-2");
  });

  it("fail the job in pre: the steps are skipped, the posts run", async () => {
    const { lines, fates, outcome } = await run(`
      - run: echo first
      - { uses: o/full@v1, with: { name: bad, fail: pre } }
      - { uses: o/full@v1, with: { name: good } }
      - { run: echo anyway, if: always() }`);
    expect(lines).toEqual(["pre bad", "pre good", "anyway", "post good p", "post bad p"]);
    expect(fates).toMatchObject({ "job/pre-2": "failure", "job/1": "skipped", "job/2": "skipped", "job/4": "success" });
    expect(outcome.conclusion).toBe("failure");
    expect(outcome.counts).toEqual({ declared: 4, ran: 1, skipped: 3, notReached: 0, cancelled: 0 });
  });

  it("fail the job in post", async () => {
    const { outcome, fates } = await run("      - { uses: o/full@v1, with: { fail: post } }");
    expect(fates).toEqual({ "job/pre-1": "success", "job/1": "success", "job/post-1": "failure" });
    expect(outcome.conclusion).toBe("failure");
  });

  it("tolerate a failing pre where the step has continue-on-error", async () => {
    const { fates, outcome } = await run("      - { uses: o/full@v1, continue-on-error: true, with: { fail: pre } }");
    expect(fates).toMatchObject({ "job/pre-1": "failure/success", "job/1": "success" });
    expect(outcome.conclusion).toBe("success");
  });

  it("ask pre-if and post-if, with the job's status", async () => {
    const actions = {
      "o/asks@v1": speaker("pre: pre.js, pre-if: failure(), post: post.js, post-if: success()"),
    };
    const quiet = await run("      - uses: o/asks@v1", { actions });
    expect(quiet.lines).toEqual(["main x", "post x m"]);
    expect(quiet.fates).toMatchObject({ "job/pre-1": "skipped" });
    const bad = await run("      - { uses: o/full@v1, with: { fail: pre } }\n      - uses: o/asks@v1", { actions });
    expect(bad.lines).toEqual(["pre x", "pre x", "post x p"]);
    expect(bad.fates).toMatchObject({ "job/2": "skipped", "job/post-2": "skipped" });
  });

  it("make no green run of a job in which only pre and post ran", async () => {
    const { outcome, lines } = await run("      - { uses: o/full@v1, if: false }");
    expect(lines).toEqual(["pre x", "post x p"]);
    expect(outcome.conclusion).toBe("skipped");
  });

  it("keep their state and their turn in the background too", async () => {
    const { lines } = await run(`
      - { uses: o/full@v1, background: true, with: { name: aside } }
      - wait-all:
      - { uses: o/late@v1, with: { name: late } }`);
    expect(lines.filter((line) => /^(?:pre|main|post) /.test(line))).toEqual([
      "pre aside",
      "main aside p",
      "main late",
      "post late m",
      "post aside pm",
    ]);
  });

  it("evaluate with and env for each phase anew", async () => {
    const { lines } = await run(`
      - id: made
        run: echo v=late >> "$GITHUB_OUTPUT"
      - { uses: o/full@v1, with: { name: "[\${{ steps.made.outputs.v }}]" } }`);
    expect(lines).toEqual(["pre []", "main [late] p", "post [late] pm"]);
  });
});

describe("a composite action", () => {
  const actions: FakeActions = {
    "o/outer@v2": {
      ...composite(
        `
    - { uses: o/full@v1, with: { name: "\${{ inputs.name }}-1", fail: "\${{ inputs.fail }}" } }
    - { uses: o/inner@v3, with: { name: "\${{ inputs.name }}-2" } }
    - { uses: o/outer/sub@v2, id: sub }
    - run: echo "\${{ github.action_path == env.GITHUB_ACTION_PATH }} \${{ steps.sub.outputs.v }}"
      env: { AR: "\${{ github.action_repository }}@\${{ github.action_ref }}" }
      shell: bash
    - run: echo "$AR [$GITHUB_ACTION_REPOSITORY]" "\${GITHUB_ACTION_PATH##*_actions/}"
      env: { AR: "\${{ github.action_repository }}@\${{ github.action_ref }}" }
      shell: bash`,
        "outputs: { o: { description: d, value: '${{ steps.sub.outputs.v }}!' } }",
      ),
      "sub/action.yml":
        "name: s\ndescription: d\noutputs: { v: { description: d } }\nruns: { using: node24, main: ../sub.js }",
      "sub.js": `const { GITHUB_ACTION_REPOSITORY: repository, GITHUB_ACTION_REF: ref, GITHUB_ACTION_PATH: path } = process.env;
        require('fs').appendFileSync(process.env.GITHUB_OUTPUT, 'v=' + repository + '@' + ref + '\\n');
        console.log(path.replace(/.*_actions\\//, ''));`,
    },
    "o/inner@v3": composite(`
    - { uses: o/late@v1, with: { name: "\${{ inputs.name }}" } }
    - { uses: o/full@v1, with: { name: "\${{ inputs.name }}b" } }`),
  };

  it("runs the pre and the post of its children as blocks, however deep", async () => {
    const { lines, fates } = await run(
      `
      - id: c
        uses: o/outer@v2
        with: { name: a }
      - run: echo "\${{ steps.c.outputs.o }}"`,
      { actions },
    );
    expect(lines).toEqual([
      "pre a-1",
      "pre a-2b",
      "main a-1 p",
      "main a-2",
      "main a-2b p",
      "o/outer/v2",
      "false o/outer@v2",
      "o/outer@v2 [] o/outer/v2",
      "o/outer@v2!",
      "post a-2b pm",
      "post a-2 m",
      "post a-1 pm",
    ]);
    expect(fates).toEqual({
      "job/pre-1": "success",
      "job/1": "success",
      "job/2": "success",
      "job/post-1": "success",
    });
  });

  it("fails its pre when a child's fails, and still runs the others'", async () => {
    const { lines, fates, outcome } = await run("      - { uses: o/outer@v2, with: { name: a, fail: pre } }", {
      actions,
    });
    expect(lines).toEqual(["pre a-1", "pre a-2b", "post a-2b p", "post a-1 p"]);
    expect(fates).toEqual({ "job/pre-1": "failure", "job/1": "skipped", "job/post-1": "success" });
    expect(outcome.conclusion).toBe("failure");
  });

  it("of the workspace uses those of other repositories, whose pre is not run, with a warning", async () => {
    const files = {
      "own/action.yml": composite(`
    - { uses: o/full@v1, with: { name: in } }
    - { uses: ./js }`)["action.yml"],
      ...Object.fromEntries(Object.entries(speaker("pre: pre.js")).map(([name, text]) => [`js/${name}`, text])),
    };
    const { lines, annotations } = await run("      - uses: actions/checkout@v4\n      - uses: ./own", { files });
    expect(lines.filter((line) => /^(?:pre|main|post) /.test(line))).toEqual(["main in", "main x", "post in m"]);
    expect(annotations).toEqual([
      "warning: `pre` execution is not supported for local action from './own'",
      "warning: `pre` execution is not supported for local action from './js'",
    ]);
  });

  it("that a step has written brings what it uses when it is reached", async () => {
    const made = await run(`
      - run: |
          mkdir made
          echo '{ "name": "m", "description": "d", "runs": { "using": "composite", "steps": [{ "uses": "o/late@v1" }, { "uses": "o/late@v1" }] } }' > made/action.yml
      - uses: ./made`);
    expect(made.lines).toContain("Download action repository 'o/late@v1' (SHA:" + shaIn(made) + ")");
    expect(made.lines.filter((line) => line.startsWith("Download"))).toHaveLength(1);
    expect(made.lines.filter((line) => /^(?:main|post) /.test(line))).toEqual([
      "main x",
      "main x",
      "post x m",
      "post x m",
    ]);
    const missing = await run(`
      - run: |
          mkdir made
          echo '{ "name": "m", "description": "d", "runs": { "using": "composite", "steps": [{ "uses": "o/none@v1" }] } }' > made/action.yml
      - uses: ./made`);
    expect(missing.outcome.conclusion).toBe("failure");
    expect(missing.annotations.join()).toContain("the remote action 'o/none@v1' is unsupported");
  });

  it("uses an action of the workspace, not of its own repository, by ./", async () => {
    const { lines } = await run("      - uses: actions/checkout@v4\n      - uses: o/local@v1", {
      actions: { "o/local@v1": { ...composite("    - uses: ./js"), "js/action.yml": "no" } },
      files: Object.fromEntries(Object.entries(speaker("")).map(([name, text]) => [`js/${name}`, text])),
    });
    expect(lines).toContain("main x");
  });
});

function shaIn({ lines }: YamlRun): string {
  return /SHA:(\w+)/.exec(lines.join("\n"))?.[1] ?? "no sha";
}

describe("the inputs of an action", () => {
  const actions: FakeActions = {
    "o/inputs@v1": {
      "action.yml": `
name: i
description: d
inputs:
  given: { description: d, default: no }
  two words: { description: d, default: "\${{ github.ref_name }}" }
  empty: { description: d, required: true }
  old: { description: d, deprecationMessage: use given }
runs: { using: node16, main: main.js }`,
      "main.js": `for (const [name, value] of Object.entries(process.env).sort()) if (name.startsWith('INPUT_')) console.log(name + '=' + value);`,
    },
  };

  it("are all declared ones and those given, by the rule for names, with warnings", async () => {
    const { lines, annotations } = await run(
      "      - uses: o/inputs@v1\n        with: { given: ' yes ', OLD: x, fetch-depth: 0 }",
      { actions },
    );
    expect(lines.filter((line) => line.startsWith("INPUT_"))).toEqual([
      "INPUT_EMPTY=",
      "INPUT_FETCH-DEPTH=0",
      "INPUT_GIVEN= yes ",
      "INPUT_OLD=x",
      "INPUT_TWO_WORDS=main",
    ]);
    expect(annotations).toEqual([
      "warning: Input 'old' has been deprecated with message: use given",
      "warning: Unexpected input(s) 'fetch-depth', valid inputs are ['given', 'two words', 'empty', 'old']",
    ]);
  });
});

/** Lines of a script that writes a composite action. */
function usesPlain(name: string): string {
  return `
          mkdir ${name}
          echo '{ "name": "m", "description": "d", "runs": { "using": "composite", "steps": [{ "uses": "o/plain@v1" }] } }' > ${name}/action.yml`;
}

describe("bringing actions into the machine", () => {
  it("happens once for each reference, before the first step, and is said as GitHub says it", async () => {
    const opened: string[] = [];
    const actions = { ...ACTIONS, "o/late@v2": ACTIONS["o/late@v1"] ?? {} };
    const seen = await run(
      `
      - run: ls "$RUNNER_WORKSPACE/../_actions/o/late"
      - uses: o/late@v1
      - uses: o/late@v2
      - uses: o/late@v1`,
      {
        actions,
        actionSource: fakeActionSource(actions, undefined, {
          beforeOpen: ({ repository, ref }) => void opened.push(`${repository}@${ref}`),
        }),
      },
    );
    expect(opened).toEqual(["o/late@v1", "o/late@v2"]);
    expect(seen.lines.slice(0, 2)).toEqual(["v1", "v2"]);
    const sha = shaIn({ ...seen, lines: setUpLines(seen) });
    expect(setUpLines(seen).slice(-4)).toEqual([
      "Prepare all required actions",
      "Getting action download info",
      `Download action repository 'o/late@v1' (SHA:${sha})`,
      `Download action repository 'o/late@v2' (SHA:${sha})`,
    ]);
  });

  it("happens once too when two steps want the same one at the same time", async () => {
    const opened: string[] = [];
    const { fates, lines } = await run(
      `
      - run: |${usesPlain("a")}${usesPlain("b")}
      - { uses: ./a, background: true }
      - { uses: ./b, background: true }
      - wait-all:`,
      {
        actionSource: fakeActionSource(ACTIONS, undefined, { beforeOpen: ({ ref }) => void opened.push(ref) }),
      },
    );
    expect(fates).toMatchObject({ "job/2": "success", "job/3": "success" });
    expect(lines.filter((line) => line === "main x")).toHaveLength(2);
    expect(opened).toEqual(["v1"]);
  });

  it("takes a directory for what it is, whatever its name", async () => {
    const odd = Object.fromEntries(Object.entries(speaker("")).map(([name, text]) => [`__proto__/${name}`, text]));
    const { lines } = await run("      - uses: o/odd/__proto__@v1", { actions: { "o/odd@v1": odd } });
    expect(lines).toEqual(["main x"]);
  });

  it("goes nowhere else, whatever a reference is called", async () => {
    const plan = planYaml(job("      - uses: o/plain@v1"), {}, undefined, ACTIONS);
    const jobs = plan.jobs.map((planned) => ({
      ...planned,
      steps: planned.steps.map(({ step, way }) => {
        if (way.kind !== "javascript" || way.action === undefined) throw new Error("it was planned otherwise");
        return { step, way: { ...way, action: { ...way.action, ref: "../../../outside" } } };
      }),
    }));
    const { fates, annotations } = await runPlan({ ...plan, jobs }, { actions: ACTIONS });
    expect(fates).toEqual({ "job/1": "not_reached" });
    expect(annotations.join()).toContain("cannot be the name of a directory");
  });

  it("happens for each job anew, so that no job runs what another has changed", async () => {
    const yaml = `
on: push
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - run: |
          cd "$RUNNER_WORKSPACE/../_actions/o/plain"
          echo 'console.log("changed")' > v1/main.js
          touch v1/left over
      - uses: o/plain@v1
  two:
    needs: one
    runs-on: ubuntu-latest
    steps:
      - run: ls "$RUNNER_WORKSPACE/../_actions/o/plain/v1" "$RUNNER_WORKSPACE/../_actions/o/plain"
      - uses: o/plain@v1
`;
    const { lines } = await runYaml(yaml, { actions: ACTIONS });
    expect(lines[0]).toBe("changed");
    expect(lines.at(-1)).toBe("main x");
    expect(lines).not.toContain("left");
    expect(lines).not.toContain("over");
  });

  it.each([
    [
      "the archive is gone",
      { beforeOpen: () => Promise.reject(new Error("nothing in the cache")) },
      "nothing in the cache",
    ],
    ["the archive breaks off", { breakOff: true }, "the disk is gone"],
  ])("fails the job in its set-up when %s", async (_what, knobs, reason) => {
    const actionSource = fakeActionSource(ACTIONS, undefined, knobs);
    const { fates, outcome, annotations, conclusions, events } = await run(
      "      - { run: echo never, if: always() }\n      - uses: o/full@v1",
      { actionSource },
    );
    expect(fates).toEqual({ "job/1": "not_reached", "job/2": "not_reached" });
    expect(conclusions).toEqual({ job: "failure" });
    expect(outcome).toMatchObject({ conclusion: "failure", error: undefined });
    expect(annotations).toEqual([`error: Cannot deliver the action 'o/full@v1': ${reason}`]);
    expect(events).toContainEqual(
      expect.objectContaining({
        type: "step_completed",
        phase: "set_up",
        fate: expect.objectContaining({ outcome: "failure" }),
      }),
    );
    expect(events.filter(({ type }) => type === "step_completed").at(-1)).toMatchObject({ phase: "complete" });
  });

  it.each([["a cancel"], ["a kill"]] as const)("ends with %s, however long it takes", async (what) => {
    const asked = Promise.withResolvers<void>();
    const actionSource = fakeActionSource(ACTIONS, undefined, {
      beforeOpen: () => {
        asked.resolve();
        return new Promise(() => undefined);
      },
    });
    const { fates, outcome, events } = await run("      - { run: echo never, if: always() }\n      - uses: o/full@v1", {
      actionSource,
      onEvent: (event, abort) => {
        if (event.type !== "log" || !event.line.startsWith("Download")) return;
        void asked.promise.then(() => (what === "a cancel" ? abort.cancel() : abort.kill()));
      },
    });
    expect(fates).toEqual({ "job/1": "cancelled", "job/2": "cancelled" });
    expect(outcome).toMatchObject({ conclusion: "cancelled", error: undefined });
    expect(events.at(-1)?.type).toBe("run_completed");
  });

  it("that a pre is cancelled in ends as any step: the posts run, the rest is cancelled", async () => {
    const actions = {
      "o/slow@v1": {
        ...speaker("pre: pre.js, pre-if: success(), post: post.js"),
        "pre.js": "console.log('slow'); setTimeout(() => {}, 60000)",
      },
    };
    const { fates, lines, outcome } = await run("      - uses: o/slow@v1\n      - run: echo never", {
      actions,
      onEvent: (event, abort) => {
        if (event.type === "log" && event.line === "slow") abort.cancel();
      },
    });
    expect(lines.at(-1)).toBe("post x");
    expect(fates).toMatchObject({
      "job/pre-1": "cancelled",
      "job/1": "cancelled",
      "job/2": "cancelled",
      "job/post-1": "success",
    });
    expect(outcome.conclusion).toBe("cancelled");
  });
});
