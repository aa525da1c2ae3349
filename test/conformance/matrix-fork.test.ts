/** Cells of a matrix that run once what their first steps have in common: each ends as it would have, and the record says who ran what. */
import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { ForkDirectories } from "../../src/engine/matrix-fork-directories.ts";
import { EngineError } from "../../src/lib/engine-error.ts";
import { fakeProvider } from "../../src/provider/fake/provider.ts";
import type { FakeKnobs, FakeProvider } from "../../src/provider/fake/provider.ts";
import type { Fate, RunEventBody } from "../../src/store/run-event.ts";
import { testForkDirectories } from "../fork-directories.ts";
import type { TestForkDirectories } from "../fork-directories.ts";
import { memoryCheckpoints } from "../memory-checkpoints.ts";
import { runYaml } from "../run-yaml.ts";
import { shortenMinutes } from "./short-minutes.ts";
import type { YamlRun, YamlRunOptions } from "../run-yaml.ts";

shortenMinutes();

const providers: FakeProvider[] = [];
const directories: TestForkDirectories[] = [];

afterEach(async () => {
  const left = providers.splice(0).flatMap(({ live }) => [...live]);
  for (const made of directories.splice(0)) {
    left.push(...(await made.left()));
    await made[Symbol.asyncDispose]();
  }
  if (left.length > 0) throw new Error(`left behind: ${left.join("; ")}`);
});

async function forkDirectories(faults?: { readonly failMake: number }): Promise<ForkDirectories> {
  const made = await testForkDirectories(faults);
  directories.push(made);
  return made;
}

function machines(knobs: FakeKnobs = {}): FakeProvider {
  const provider = fakeProvider({ script: obey, ...knobs });
  providers.push(provider);
  return provider;
}

/**
 * Obeys scripts of lines: `say TEXT`, `tell NAME` (of the environment), `show FILE`, `append FILE TEXT`, `env NAME=VALUE`, `output NAME=VALUE`,
 * `path DIRECTORY`, `mask TEXT`, `fail`.
 */
const obey: NonNullable<FakeKnobs["script"]> = (request, { files }) => {
  const script = files.get(request.argv.at(-1) ?? "")?.toString() ?? "";
  const append = (path: string, line: string): void => {
    files.set(path, Buffer.from(`${files.get(path)?.toString() ?? ""}${line}\n`));
  };
  const said: string[] = [];
  let code = 0;
  for (const line of script.split("\n")) {
    const [verb = "", first = "", ...more] = line.split(" ");
    const rest = [first, ...more].join(" ");
    if (verb === "say") said.push(rest);
    if (verb === "tell") said.push(`${rest} is ${request.env[rest] ?? "not there"}`);
    if (verb === "show") said.push(...(files.get(`/home/runner/${first}`)?.toString() ?? "no file\n").split("\n"));
    if (verb === "append") append(`/home/runner/${first}`, more.join(" "));
    if (verb === "env") append(request.env["GITHUB_ENV"] ?? "", rest);
    if (verb === "output") append(request.env["GITHUB_OUTPUT"] ?? "", rest);
    if (verb === "path") append(request.env["GITHUB_PATH"] ?? "", rest);
    if (verb === "mask") said.push(`::add-mask::${rest}`);
    if (verb === "fail") code = 1;
  }
  return { code, output: [["stdout", said.map((text) => `${text}\n`).join("")]] };
};

/** And the main script of an action saves something for its post. */
const obeyAndSave: NonNullable<FakeKnobs["script"]> = (request, machine) => {
  const path = request.env["GITHUB_STATE"] ?? "";
  if (request.argv.some((word) => word.endsWith("main.js"))) machine.files.set(path, Buffer.from("left=behind\n"));
  return obey(request, machine);
};

const endless: NonNullable<FakeKnobs["script"]> = () => ({ untilSignal: (signal) => ({ signal }) });

async function forked(yaml: string, options: YamlRunOptions = {}): Promise<YamlRun> {
  return runYaml(yaml, { provider: machines(), forks: await forkDirectories(), ...options });
}

/** Steps of one job with a matrix `n` of 1, 2 and 3. */
function workflow(steps: string, job = ""): string {
  return `
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    strategy: { fail-fast: false, matrix: { n: [1, 2, 3] } }${job}
    steps:${steps}`;
}

const SIMPLE = workflow(`
      - run: append ran one
      - run: append ran two
      - run: |
          append ran cell
          say \${{ matrix.n }}
          show ran`);

function forks({ events }: YamlRun): readonly RunEventBody[] {
  return events.filter(({ type }) => type === "matrix_fork" || type === "matrix_fork_failed");
}

function fatesOf({ events }: YamlRun): ReadonlyMap<string, Fate> {
  const ends = events.filter((event) => event.type === "step_completed" && event.phase === "main");
  return new Map(
    ends.flatMap((event) => (event.type === "step_completed" ? [[`${event.job}/${event.step}`, event.fate]] : [])),
  );
}

/** Everything in the log of each step, of a shared one in that of the job which ran it; and how it ended. */
function account(run: YamlRun): Record<string, unknown> {
  const logs: Record<string, string[]> = {};
  for (const event of run.events) {
    if (event.type === "log") (logs[`${event.job}/${event.step}`] ??= []).push(event.line);
  }
  const steps = [...fatesOf(run)].map(([key, fate]): [string, unknown] => {
    const shared = fate.kind === "skipped" ? fate.shared : undefined;
    if (shared === undefined)
      return [key, { log: logs[key] ?? [], end: fate.kind === "ran" ? ended(fate) : fate.kind }];
    const step = key.slice(key.lastIndexOf("/"));
    return [
      key,
      { log: logs[`${shared.job}${step}`] ?? [], end: shared.outcome === "skipped" ? "skipped" : ended(shared) },
    ];
  });
  return { steps: Object.fromEntries(steps), conclusions: run.conclusions, outputs: run.outputs };
}

function ended({ outcome, conclusion }: { readonly outcome: string; readonly conclusion: string }): string {
  return `${outcome}/${conclusion}`;
}

describe("cells whose first steps are the same", () => {
  it.each(["workflow", "job"] as const)("run these once and go on in copies, a machine per %s", async (machinePer) => {
    const provider = machines();
    const run = await forked(SIMPLE, { provider, machinePer });
    expect(run.outcome).toMatchObject({ conclusion: "success", counts: { declared: 9, ran: 5, skipped: 4 } });
    expect(forks(run)).toMatchObject([{ type: "matrix_fork", job: "a (1)", before: 3, cells: ["a (2)", "a (3)"] }]);
    expect(provider.provisioned.map(({ execs }) => execs.length)).toEqual([3, 1, 1]);
    expect(run.lines.filter((line) => /^\d$/.test(line)).toSorted()).toEqual(["1", "2", "3"]);
    expect(run.lines.filter((line) => line === "two")).toHaveLength(3);
    expect(fatesOf(run).get("a (3)/2")).toEqual({
      kind: "skipped",
      reason: "shared with job a (1): success",
      shared: { job: "a (1)", outcome: "success", conclusion: "success" },
    });
  });

  it("split again where the rest of them part", async () => {
    const yaml = `
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    strategy: { matrix: { os: [x, y], node: [1, 2] } }
    steps:
      - run: append ran both
      - run: append ran \${{ matrix.os }}
      - run: append ran \${{ matrix.node }}
      - run: show ran`;
    const provider = machines();
    const run = await forked(yaml, { provider, machinePer: "job" });
    expect(forks(run)).toMatchObject([
      { job: "a (x, 1)", before: 2, cells: ["a (y, 1)"] },
      { job: "a (x, 1)", before: 3, cells: ["a (x, 2)"] },
      { job: "a (y, 1)", before: 3, cells: ["a (y, 2)"] },
    ]);
    expect(provider.provisioned.reduce((sum, { execs }) => sum + execs.length, 0)).toBe(1 + 2 + 4 + 4);
    expect(fatesOf(run).get("a (y, 2)/1")).toMatchObject({ shared: { job: "a (x, 1)" } });
    expect(fatesOf(run).get("a (y, 2)/2")).toMatchObject({ shared: { job: "a (y, 1)" } });
    const plain = await runYaml(yaml, { provider: machines(), machinePer: "job" });
    expect(account(run)).toEqual(account(plain));
  });

  it("are those of a matrix that is known only when its turn comes, too", async () => {
    const yaml = `
on: push
jobs:
  a: { runs-on: ubuntu-latest, outputs: { all: "\${{ steps.o.outputs.all }}" }, steps: [{ id: o, run: "output all=[5,6]" }] }
  b:
    needs: a
    runs-on: ubuntu-latest
    strategy: { matrix: { n: "\${{ fromJSON(needs.a.outputs.all) }}" } }
    steps: [{ run: say same }, { run: "say \${{ matrix.n }}" }]`;
    const run = await forked(yaml);
    expect(forks(run)).toMatchObject([{ job: "b (5)", before: 2, cells: ["b (6)"] }]);
    expect(run.lines.toSorted()).toEqual(["5", "6", "same"]);
  });

  it("share all of them where none reads the matrix, and have posts and outputs of their own", async () => {
    const actions = {
      "octo/setup@v1": {
        "action.yml": "name: setup\nruns: { using: node24, main: main.js, post: post.js }",
        "main.js": "",
        "post.js": "",
      },
    };
    const provider = machines({ script: obeyAndSave });
    const yaml = workflow("\n      - uses: octo/setup@v1", `\n    outputs: { n: "\${{ matrix.n }}" }`);
    const run = await forked(yaml, { provider, actions });
    expect(run.outputs).toEqual({ "a (1)": { n: "1" }, "a (2)": { n: "2" }, "a (3)": { n: "3" } });
    expect(forks(run)).toMatchObject([{ before: 2, cells: ["a (2)", "a (3)"] }]);
    const runs = (name: string) =>
      provider.provisioned.flatMap(({ execs }) => execs.filter(({ argv }) => argv.some((word) => word.endsWith(name))));
    expect(runs("main.js")).toHaveLength(1);
    expect(runs("post.js").map(({ env }) => env["STATE_left"])).toEqual(["behind", "behind", "behind"]);
  });

  it("wait for no place that they keep from one another", async () => {
    const yaml = SIMPLE.replace("fail-fast: false", "max-parallel: 1");
    const run = await forked(yaml, { machinePer: "job" });
    expect(run.outcome.conclusion).toBe("success");
    const turns = run.events.filter(({ type }) => type === "job_started" || type === "job_completed");
    expect(turns.map(({ type }) => type)).toEqual(
      Array.from({ length: 3 }, () => ["job_started", "job_completed"]).flat(),
    );
  });

  it("have a token of their own in the place of the one that a shared step kept", async () => {
    const yaml = workflow(
      `
      - run: env KEPT=\${{ github.token }}
      - run: |
          append seen \${{ matrix.n }} \${{ github.token == env.KEPT }} \${{ env.JOB == env.KEPT }}
          show seen`,
      '\n    env: { JOB: "${{ github.token }}" }',
    );
    const run = await forked(yaml);
    expect(forks(run)).toHaveLength(1);
    expect(run.lines.filter((line) => line !== "").toSorted()).toEqual([1, 2, 3].map((n) => `${n} true true`));
  });

  it("hide what a shared step masked", async () => {
    const run = await forked(
      workflow("\n      - run: mask hidden-thing\n      - run: say hidden-thing ${{ matrix.n }}"),
    );
    expect(run.lines.toSorted()).toEqual(["*** 1", "*** 2", "*** 3"]);
  });

  it("are saved and gone on from like other jobs", async () => {
    await using checkpoints = memoryCheckpoints("steps");
    await forked(SIMPLE, { checkpoints });
    expect(checkpoints.kept.map(({ job, step }) => `${job} ${step}`).toSorted()).toEqual([
      "a (1) 1",
      "a (1) 2",
      "a (1) 3",
      "a (2) 3",
      "a (3) 3",
    ]);
    const resumption = checkpoints.resumption(3, "a (2)");
    const run = await forked(SIMPLE, { resumption });
    expect(fatesOf(run).get("a (2)/3")).toMatchObject({ kind: "ran", outcome: "success" });
    expect(forks(run)).toEqual([]);
  });
});

describe("cells of a run that goes on from an earlier one", () => {
  it("share with those that run now, not with one that had succeeded", async () => {
    const earlier = {
      run: "r1",
      firstRun: "r1",
      attempt: 2,
      succeeded: new Map([["a (1)", { outputs: {} }]]),
    };
    const run = await forked(SIMPLE, { earlier });
    expect(forks(run)).toMatchObject([{ job: "a (2)", before: 3, cells: ["a (3)"] }]);
    expect(run.outcome).toMatchObject({ conclusion: "success", counts: { ran: 4, skipped: 5 } });
  });
});

it("cells of a called workflow's matrix share as well", async () => {
  const files = { ".github/workflows/called.yml": SIMPLE.replace("on: push", "on: workflow_call") };
  const run = await forked("on: push\njobs: { c: { uses: ./.github/workflows/called.yml } }", { files });
  expect(forks(run)).toMatchObject([{ job: "c / a (1)", before: 3, cells: ["c / a (2)", "c / a (3)"] }]);
  expect(run.outcome.conclusion).toBe("success");
});

describe("a shared step that fails", () => {
  const yaml = workflow(`
      - run: fail
      - run: say not this
      - if: failure()
        run: say cleanup \${{ matrix.n }}
      - if: always()
        run: say last \${{ matrix.n }}`);

  it("fails every cell, each of which has its own failure() and always() steps", async () => {
    const run = await forked(yaml);
    const plain = await runYaml(yaml, { provider: machines() });
    expect(forks(run)).toMatchObject([{ before: 3 }]);
    expect(account(run)).toEqual(account(plain));
    expect(run.outcome.conclusion).toBe("failure");
    expect(fatesOf(run).get("a (2)/1")).toMatchObject({ kind: "skipped", reason: "shared with job a (1): failure" });
    expect(run.events.find((event) => event.type === "job_completed" && event.job === "a (2)")).toMatchObject({
      conclusion: "failure",
      reason: "its step 1, shared with job a (1), failed",
    });
  });

  it("cancels the others where the matrix fails fast", async () => {
    const run = await forked(yaml.replace("fail-fast: false, ", "max-parallel: 1, "));
    expect(run.conclusions).toEqual({ "a (1)": "failure", "a (2)": "cancelled", "a (3)": "cancelled" });
    expect(fatesOf(run).get("a (3)/1")).toMatchObject({
      kind: "cancelled",
      reason: "another job of its matrix failed",
    });
  });
});

describe("cells share nothing", () => {
  const two = "\n      - run: say one\n      - run: say two";
  it.each([
    ["the job's env differs", workflow(two, '\n    env: { N: "${{ matrix.n }}" }')],
    ["the time limit differs", workflow(two, '\n    timeout-minutes: "${{ matrix.n }}"')],
    ["continue-on-error differs", workflow(two, '\n    continue-on-error: "${{ matrix.n == 1 }}"')],
    ["their defaults differ", workflow(two, '\n    defaults: { run: { working-directory: "${{ matrix.n }}" } }')],
    ["their environment differs", workflow(two, '\n    environment: "e${{ matrix.n }}"')],
    ["the first step reads the whole matrix", workflow(`\n      - run: "say \${{ toJSON(matrix) }}"`)],
    ["it reads a name that is known only later", workflow(`\n      - run: "say \${{ matrix[github.event_name] }}"`)],
    ["it reads any name", workflow(`\n      - run: "say \${{ join(matrix.*) }}"`)],
    ["it reads which cell it is", workflow(`\n      - run: "say \${{ strategy.job-index }}"`)],
    ["its condition reads the matrix", workflow(`\n      - { if: matrix.n > 0, run: say x }`)],
    ["its name reads the matrix", workflow(`\n      - { name: "\${{ matrix.n }}", run: say x }`)],
    ["it runs in the background", workflow(`\n      - { run: say x, background: true, id: b }\n      - wait: b`)],
    ["it is an action of the workspace", workflow(`\n      - uses: ./local`)],
    ["one at a time may run", workflow(two, "\n    concurrency: one")],
  ])("when %s", async (_, yaml) => {
    const run = await forked(yaml, { machinePer: "job" });
    expect(forks(run)).toEqual([]);
    expect([...fatesOf(run).values()].filter((fate) => fate.kind === "skipped")).toEqual([]);
  });

  it.each([
    [
      "the defaults of its inputs",
      'name: x\ninputs: { m: { default: "${{ toJSON(matrix) }}" } }\nruns: { using: node24, main: main.js }',
    ],
    ["its own steps", 'name: x\nruns: { using: composite, steps: [{ run: "say ${{ matrix.n }}", shell: bash }] }'],
    ["something it runs before all steps", "name: x\nruns: { using: node24, main: main.js, pre: main.js }", "matrix.n"],
  ])("where an action sees the matrix by %s", async (_, manifest, given = "'same'") => {
    const actions = { "octo/sees@v1": { "action.yml": manifest, "main.js": "" } };
    const yaml = workflow(
      `\n      - run: say first\n      - { uses: octo/sees@v1, with: { given: "\${{ ${given} }}" } }`,
    );
    const run = await forked(yaml, { actions });
    const shares = manifest.includes("pre:") ? [] : [{ before: 2, cells: ["a (2)", "a (3)"] }];
    expect(forks(run)).toMatchObject(shares);
    expect(run.outcome.conclusion).toBe("success");
  });

  it("when the provider cannot save a machine, which is said once", async () => {
    const provider = machines({ capabilities: { checkpoint: false } });
    const run = await forked(SIMPLE, { provider, machinePer: "job" });
    expect(forks(run)).toMatchObject([
      { type: "matrix_fork_failed", cells: ["a (2)", "a (3)"], reason: "provider fake cannot save a machine" },
    ]);
    expect(run.outcome).toMatchObject({ conclusion: "success", counts: { ran: 9 } });
  });
});

describe("when it goes wrong", () => {
  it.each([
    ["the machine cannot be saved", { failSave: 1 }, undefined],
    ["there is no room for it", {}, { failMake: 1 }],
  ])("each cell runs all of its steps itself: %s", async (_, knobs, faults) => {
    const options = { provider: machines(knobs), forks: await forkDirectories(faults), machinePer: "job" } as const;
    const run = await runYaml(SIMPLE, options);
    expect(run.outcome).toMatchObject({ conclusion: "success", counts: { ran: 9 } });
    expect(forks(run)).toMatchObject([{ type: "matrix_fork_failed", job: "a (1)", cells: ["a (2)", "a (3)"] }]);
  });

  it.each(["workflow", "job"] as const)(
    "a cell whose copy cannot start runs all of its steps itself, a machine per %s",
    async (machinePer) => {
      const provider = machines();
      let restores = 0;
      const refusing: FakeProvider = {
        ...provider,
        restore: async (...given) => {
          restores += 1;
          if (restores > 1 && provider.restore !== undefined) return await provider.restore(...given);
          throw new EngineError("MACHINE_START_FAILED", "no place for it");
        },
      };
      const run = await forked(SIMPLE, { provider: refusing, machinePer });
      expect(run.outcome).toMatchObject({ conclusion: "success", counts: { ran: 7, skipped: 2 } });
      expect(forks(run)).toMatchObject([
        { type: "matrix_fork" },
        { type: "matrix_fork_failed", reason: "no place for it" },
      ]);
    },
  );

  it("the machine that is lost while it is saved is the trouble of its own job alone", async () => {
    const run = await forked(SIMPLE, { provider: machines({ dieDuringSave: 1 }), machinePer: "job" });
    expect(run.outcome.error?.code).toBe("MACHINE_LOST");
    expect(run.conclusions).toEqual({ "a (1)": "failure", "a (2)": "success", "a (3)": "success" });
    expect(fatesOf(run).get("a (1)/3")).toMatchObject({ kind: "not_reached" });
    expect(fatesOf(run).get("a (2)/1")).toMatchObject({ kind: "ran" });
  });

  it.each(["cancel", "kill"] as const)("a %s in the shared part ends all of them", async (how) => {
    const run = await forked(SIMPLE, {
      onEvent: (event, abort) => {
        if (event.type === "step_completed" && event.job === "a (1)" && event.step === "1") abort[how]();
      },
    });
    expect(run.outcome.conclusion).toBe("cancelled");
    expect(run.conclusions).toEqual({ "a (1)": "cancelled", "a (2)": "cancelled", "a (3)": "cancelled" });
    expect(forks(run)).toEqual([]);
  });

  it("the end of the job's time in the shared part is the end of each cell's own time", async () => {
    const yaml = workflow("\n      - run: forever\n      - run: say ${{ matrix.n }}", "\n    timeout-minutes: 7");
    const provider = machines({ script: endless });
    const run = await forked(yaml, { provider, machinePer: "job" });
    expect(forks(run)).toEqual([]);
    expect(provider.provisioned.map(({ execs }) => execs.length)).toEqual([1, 1, 1]);
    expect(run.conclusions).toEqual({ "a (1)": "cancelled", "a (2)": "cancelled", "a (3)": "cancelled" });
  });

  it("a cell that waits for another keeps no place from one that shares nothing", async () => {
    const yaml = `
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    strategy: { max-parallel: 2, matrix: { include: [{ n: 1, k: 1 }, { n: 1, k: 2 }, { n: 2, k: 1 }] } }
    env: { N: "\${{ matrix.n }}" }
    steps: [{ run: say same }, { run: "say \${{ matrix.k }}" }]`;
    const started: string[] = [];
    const run = await forked(yaml, {
      machinePer: "job",
      onEvent: (event) => {
        if (event.type === "job_started") started.push(event.job);
      },
    });
    expect(forks(run)).toMatchObject([{ job: "a (1, 1)", before: 2, cells: ["a (1, 2)"] }]);
    expect(started.slice(0, 2).toSorted()).toEqual(["a (1, 1)", "a (2, 1)"]);
  });

  it("a cancel while the copies start ends them, and nothing of them is left", async () => {
    const run = await forked(SIMPLE, {
      onEvent: (event, abort) => {
        if (event.type === "matrix_fork") abort.cancel();
      },
    });
    expect(run.outcome.conclusion).toBe("cancelled");
    expect(run.conclusions).toMatchObject({ "a (2)": "cancelled", "a (3)": "cancelled" });
  });
});

const MATRIX_READS = [
  "${{ matrix.a }}",
  "${{ matrix['b'] }}",
  "${{ Matrix.C.d }}",
  "${{ matrix.c.D }}",
  "${{ join(matrix.*, '-') }}",
  "${{ matrix[env.KEY] }}",
  "${{ strategy.job-index }}",
  "${{ strategy.job-total }}",
  "${{ matrix.c.e && 'yes' || 'no' }}",
  "${{ fromJSON(toJSON(matrix)).b }}",
];
const OTHERS = ["word", "${{ env.E }}", "${{ steps.s1.outputs.o }}", "${{ job.status }}", "${{ steps.s2.conclusion }}"];
const value = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...OTHERS) },
  { weight: 1, arbitrary: fc.constantFrom(...MATRIX_READS) },
);
const command = fc.oneof(
  { weight: 3, arbitrary: value.map((text) => `say ${text}`) },
  value.map((text) => `append file ${text}`),
  fc.constant("show file"),
  fc.constant("tell E"),
  fc.constant("tell F"),
  value.map((text) => `env E=${text}`),
  value.map((text) => `output o=${text}`),
  { weight: 1, arbitrary: fc.constant("fail") },
);
const condition = fc.constantFrom(
  "failure()",
  "always()",
  "matrix.a == 1",
  "matrix.c.e",
  "success() && env.E != 'word'",
);
const step = fc.record(
  {
    run: fc.array(command, { minLength: 1, maxLength: 3 }).map((lines) => lines.join("\n")),
    if: condition,
    "continue-on-error": fc.constantFrom(true, "${{ matrix.a == 1 }}"),
    env: value.map((text) => ({ F: text })),
  },
  { requiredKeys: ["run"] },
);
const cell = fc.record({
  a: fc.constantFrom(1, 2, "1"),
  b: fc.constantFrom("x", "y"),
  c: fc.constantFrom({ d: "p", e: true }, { d: "q", e: true }, { d: "p", e: false }),
});
const matrixJob = fc.record({
  cells: fc.array(cell, { minLength: 2, maxLength: 4 }),
  steps: fc.array(step, { minLength: 1, maxLength: 5 }),
  env: fc.oneof(
    { weight: 5, arbitrary: fc.constant("plain") },
    { weight: 1, arbitrary: fc.constantFrom(...MATRIX_READS.filter((read) => !read.includes("env."))) },
  ),
});

it(
  "says, does and ends in every cell what it would have without, for any matrix and steps",
  { timeout: 240_000 },
  async () => {
    let shared = 0;
    await fc.assert(
      fc.asyncProperty(matrixJob, async ({ cells, steps, env }) => {
        const job = {
          "runs-on": "ubuntu-latest",
          strategy: { "fail-fast": false, matrix: { include: cells } },
          env: { E: env, KEY: "b" },
          outputs: { o: "${{ steps.s1.outputs.o }} ${{ matrix.b }}" },
          steps: steps.map((one, index) => ({ id: `s${index + 1}`, ...one })),
        };
        const yaml = JSON.stringify({ on: "push", jobs: { a: job } });
        const plain = await runYaml(yaml, { provider: machines(), machinePer: "job" });
        const run = await forked(yaml, { machinePer: "job" });
        shared += forks(run).length;
        expect(account(run)).toEqual(account(plain));
        expect(run.outcome.conclusion).toBe(plain.outcome.conclusion);
      }),
      { numRuns: 60 },
    );
    expect(shared).toBeGreaterThan(20);
  },
);
