/** What jobs and actions are owed: needs, matrices, results, composites, posts, cancellation. Rules are of ACTIONS-CONTRACT. */
import { describe, expect, it } from "vitest";
import { RUNNER_LADDER } from "../../src/engine/exec-process.ts";
import { defaultRunners } from "../../src/plan/runner-map.ts";
import { planYaml, runYaml } from "../run-yaml.ts";

const job = (body: string): string => `runs-on: ubuntu-latest\n${body}`.replace(/^/gm, "    ");

const dynamicMatrix = (json: string): string => `
on: push
jobs:
  make:
    runs-on: ubuntu-latest
    outputs: { list: "\${{ steps.l.outputs.list }}" }
    steps:
      - id: l
        run: echo 'list=${json}' >> "$GITHUB_OUTPUT"
  use:
    needs: make
    runs-on: ubuntu-latest
    strategy:
      matrix: { item: "\${{ fromJSON(needs.make.outputs.list) }}" }
    steps:
      - run: echo \${{ matrix.item }}
`;

describe("jobs", () => {
  it("skips a job when a skipped ancestor stands anywhere above it, unless it says always() (3.3)", async () => {
    const run = await runYaml(`
on: push
jobs:
  root:
    if: false
    runs-on: ubuntu-latest
    steps: [{ run: echo root }]
  middle:
    needs: root
    if: always()
    runs-on: ubuntu-latest
    steps: [{ run: echo middle }]
  leaf:
    needs: middle
    runs-on: ubuntu-latest
    steps: [{ run: echo leaf }]
  stubborn:
    needs: leaf
    if: always()
    runs-on: ubuntu-latest
    steps: [{ run: echo stubborn }]
`);
    expect(run.conclusions).toEqual({ root: "skipped", middle: "success", leaf: "skipped", stubborn: "success" });
    expect(run.outcome.counts).toEqual({ declared: 4, ran: 2, skipped: 2, notReached: 0, cancelled: 0 });
    expect(run.outcome.conclusion).toBe("success");
  });

  it("is skipped, not a success, when no job ran", async () => {
    const run = await runYaml(`on: push\njobs:\n  a:\n    if: false\n${job("steps: [{ run: echo }]")}\n`);
    expect(run.outcome.conclusion).toBe("skipped");
  });

  it("is skipped, not a success, when jobs succeeded and none of their steps ran (adr 5)", async () => {
    const run = await runYaml(`on: push\njobs:\n  a:\n${job("steps: [{ run: echo, if: false }]")}\n`);
    expect(run.conclusions).toEqual({ a: "success" });
    expect(run.outcome.conclusion).toBe("skipped");
  });

  it("does not fail the run for a job whose failure is tolerated, and shows it as success to its dependents (3.4)", async () => {
    const run = await runYaml(`
on: push
jobs:
  shaky:
    runs-on: ubuntu-latest
    continue-on-error: true
    steps: [{ run: exit 1 }]
  after:
    needs: shaky
    runs-on: ubuntu-latest
    steps:
      - run: echo \${{ needs.shaky.result }}
`);
    expect(run.conclusions).toEqual({ shaky: "failure", after: "success" });
    expect(run.lines).toContain("success");
    expect(run.outcome.conclusion).toBe("success");
  });

  it("gives a matrix job's result and its last output to the jobs that need it (3.4)", async () => {
    const run = await runYaml(`
on: push
jobs:
  legs:
    runs-on: ubuntu-latest
    strategy:
      fail-fast: false
      matrix: { n: [1, 2, 3] }
    outputs:
      n: \${{ steps.say.outputs.n }}
    steps:
      - id: say
        run: echo "n=\${{ matrix.n }}" >> "$GITHUB_OUTPUT"
      - run: test \${{ matrix.n }} != 2
  after:
    needs: legs
    if: always()
    runs-on: ubuntu-latest
    steps:
      - run: echo \${{ needs.legs.result }} \${{ needs.legs.outputs.n }}
`);
    expect(run.conclusions).toEqual({
      "legs (1)": "success",
      "legs (2)": "failure",
      "legs (3)": "success",
      after: "success",
    });
    expect(run.lines).toContain("failure 3");
    expect(run.outcome.conclusion).toBe("failure");
  });

  it("cancels the legs that wait when one fails, unless fail-fast is off (3.4)", async () => {
    const run = await runYaml(`
on: push
jobs:
  legs:
    runs-on: ubuntu-latest
    strategy:
      matrix: { n: [1, 2] }
    steps:
      - run: exit \${{ matrix.n }}
`);
    expect(run.conclusions).toEqual({ "legs (1)": "failure", "legs (2)": "cancelled" });
    expect(run.fates).toEqual({ "legs (1)/1": "failure", "legs (2)/1": "cancelled" });
    expect(run.outcome.conclusion).toBe("failure");
  });

  it("leaves out an output that is empty or holds a secret (2.5, 3.4)", async () => {
    const run = await runYaml(
      `
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    outputs:
      open: \${{ steps.o.outputs.open }}
      secret: \${{ steps.o.outputs.secret }}
      empty: \${{ steps.o.outputs.none }}
    steps:
      - id: o
        env: { KEY: "\${{ secrets.KEY }}" }
        run: |
          echo "open=yes" >> "$GITHUB_OUTPUT"
          echo "secret=x-$KEY" >> "$GITHUB_OUTPUT"
  b:
    needs: a
    runs-on: ubuntu-latest
    steps:
      - run: echo "[\${{ needs.a.outputs.open }}] [\${{ needs.a.outputs.secret }}]"
`,
      { secrets: { KEY: "very-secret-value" } },
    );
    expect(run.outputs["a"]).toEqual({ open: "yes" });
    expect(run.lines).toContain("[yes] []");
    expect(run.annotations).toContain("warning: Skip output 'secret' since it may contain secret.");
  });

  it("expands a matrix from the outputs of a needed job, and fails the job when it cannot", async () => {
    const good = await runYaml(dynamicMatrix('["x", "y"]'));
    expect(good.conclusions).toEqual({ make: "success", "use (x)": "success", "use (y)": "success" });
    const bad = await runYaml(dynamicMatrix("not json"));
    expect(bad.conclusions).toEqual({ make: "success", use: "failure" });
    expect(bad.fates["use/1"]).toBe("not_reached");
    expect(bad.outcome.conclusion).toBe("failure");
  });

  it("gives each job a clean workspace, temp and environment in the same machine (DESIGN 1.2)", async () => {
    const run = await runYaml(`
on: push
jobs:
  first:
    runs-on: ubuntu-latest
    steps:
      - run: |
          echo left > "$GITHUB_WORKSPACE/file"
          echo left > "$RUNNER_TEMP/file"
          echo LEFT=1 >> "$GITHUB_ENV"
  second:
    needs: first
    runs-on: ubuntu-latest
    steps:
      - run: echo "[$(ls -A "$GITHUB_WORKSPACE")] [$(ls "$RUNNER_TEMP/file" 2> /dev/null)] [$LEFT]" || true
`);
    expect(run.lines).toContain("[] [] []");
    const machines = run.events.filter((event) => event.type === "machine_ready");
    expect(machines).toHaveLength(1);
  });

  it("kills what a job left running before the next one starts (3.2)", async () => {
    const run = await runYaml(`
on: push
jobs:
  first:
    runs-on: ubuntu-latest
    steps:
      - run: |
          (sleep 300 > /dev/null 2>&1 & echo $! > "$RUNNER_TEMP/../orphan")
  second:
    needs: first
    runs-on: ubuntu-latest
    steps:
      - run: if grep -q sleep "/proc/$(cat "$RUNNER_TEMP/../orphan")/cmdline" 2> /dev/null; then echo alive; else echo gone; fi
`);
    expect(run.lines).toContain("gone");
  });

  it("refuses containers, services, remote actions and called workflows by name before anything starts", async () => {
    const { unsupportedInPlan } = await import("../../src/plan/unsupported.ts");
    const plan = planYaml(`
on: push
jobs:
  contained:
    runs-on: ubuntu-latest
    container: node:24
    services: { db: { image: postgres } }
    steps:
      - uses: octo/nowhere@v4
      - uses: docker://alpine
  called:
    uses: ./.github/workflows/other.yml
  windows:
    runs-on: windows-latest
    steps: [{ run: dir }]
`);
    const diagnostics = unsupportedInPlan(plan, { runners: defaultRunners, vars: {} });
    expect(diagnostics.map(({ key }) => key)).toEqual([
      "jobs.contained.container",
      "jobs.contained.services",
      "jobs.contained.steps[0].uses",
      "jobs.contained.steps[1].uses",
      "jobs.called.uses",
      "jobs.windows.runs-on",
    ]);
    for (const diagnostic of diagnostics) {
      expect(diagnostic.kind).toBe("unsupported");
      expect(diagnostic.message).toMatch(/unsupported|Cannot find the workflow/);
      expect(diagnostic.at?.line).toBeGreaterThan(0);
    }
  });
});

const composite = (steps: string, rest = ""): string =>
  `name: c\ndescription: d\n${rest}runs:\n  using: composite\n  steps:\n${steps}`;
const workflowOf = (steps: string): string => `on: push\njobs:\n  job:\n${job(`steps:\n${steps}`)}\n`;

describe("local actions", () => {
  it("asks the composite's own result in the conditions of its steps (3.3)", async () => {
    const run = await runYaml(
      workflowOf(`
  - uses: actions/checkout@v4
  - run: exit 1
    continue-on-error: false
  - if: always()
    uses: ./c`),
      {
        files: {
          "c/action.yml": composite(`
    - run: echo "inside \${{ job.status }}"
      shell: bash
    - run: exit 4
      shell: bash
    - run: echo never
      shell: bash
    - if: failure()
      run: echo "inside failure"
      shell: bash`),
        },
      },
    );
    expect(run.lines.filter((line) => line.startsWith("inside"))).toEqual(["inside failure", "inside failure"]);
    expect(run.fates["job/3"]).toBe("failure");
  });

  it("isolates the steps context of a composite and hides secrets, needs and vars from it (1.5)", async () => {
    const run = await runYaml(
      workflowOf(`
  - uses: actions/checkout@v4
  - id: outer
    run: echo "x=outer" >> "$GITHUB_OUTPUT"
  - id: comp
    uses: ./c
    with: { Given: value }
  - run: echo "after [\${{ steps.inner.outputs.x }}] \${{ steps.comp.outputs.result }}"`),
      {
        secrets: { KEY: "shown-to-nobody" },
        vars: { V: "variable" },
        files: {
          "c/action.yml": composite(
            `
    - id: inner
      run: echo "x=inner" >> "$GITHUB_OUTPUT"
      shell: bash
    - run: echo "in [\${{ steps.outer.outputs.x }}] [\${{ inputs.given }}] [\${{ inputs.other }}] [$INPUT_GIVEN]"
      shell: bash`,
            "inputs:\n  given: { description: d }\n  other: { description: d, default: fallback }\noutputs:\n  result: { description: d, value: '${{ steps.inner.outputs.x }}' }\n",
          ),
        },
      },
    );
    expect(run.outcome.conclusion).toBe("success");
    expect(run.lines).toContain("in [] [value] [fallback] []");
    expect(run.lines).toContain("after [] inner");
  });

  it("runs posts in reverse order with state and inputs, also after a failure, and fails the job by one (3.4)", async () => {
    const files = {
      "a/action.yml":
        "name: a\ndescription: d\ninputs: { n: { description: d } }\nruns: { using: node20, main: main.js, post: post.js }",
      "a/main.js": "require('fs').appendFileSync(process.env.GITHUB_STATE, 'n=' + process.env.INPUT_N + '\\n')",
      "a/post.js":
        "console.log('post', process.env.STATE_n, process.env.INPUT_N); if (process.env.INPUT_N === 'bad') process.exit(1)",
    };
    const run = await runYaml(
      workflowOf(`
  - uses: actions/checkout@v4
  - uses: ./a
    with: { n: one }
  - uses: ./a
    with: { n: bad }
  - if: false
    uses: ./a
    with: { n: never }`),
      { files },
    );
    expect(run.lines.filter((line) => line.startsWith("post"))).toEqual(["post bad bad", "post one one"]);
    expect(run.fates["job/3"]).toBe("success");
    expect(run.conclusions).toEqual({ job: "failure" });
  });

  it("exports every declared input, with hyphens and defaults, and warns of an undeclared one (4.2)", async () => {
    const run = await runYaml(
      workflowOf(`
  - uses: actions/checkout@v4
  - uses: ./a
    with: { fetch-depth: 3, surplus: x }`),
      {
        files: {
          "a/action.yml":
            "name: a\ndescription: d\ninputs:\n  fetch-depth: { description: d }\n  with space: { description: d, default: '${{ github.repository }}' }\n  empty: { description: d }\nruns: { using: node24, main: main.js }",
          "a/main.js":
            "const e = process.env; console.log(JSON.stringify([e['INPUT_FETCH-DEPTH'], e.INPUT_WITH_SPACE, e.INPUT_EMPTY, e.INPUT_SURPLUS]))",
        },
      },
    );
    expect(run.lines).toContain('["3","octo/repo","","x"]');
    expect(run.annotations.join("\n")).toContain(
      "Unexpected input(s) 'surplus', valid inputs are ['fetch-depth', 'with space', 'empty']",
    );
  });

  it("fails the step, and only the step, when the machine refuses what it asks for", async () => {
    const run = await runYaml(
      workflowOf("\n  - uses: actions/checkout@v4\n  - uses: ./a\n  - if: always()\n    run: echo still here"),
      { files: { "a/action.yml": `name: a\n${"# too long to be read\n".repeat(60_000)}` } },
    );
    expect(run.fates).toEqual({ "job/1": "success", "job/2": "failure", "job/3": "success" });
    expect(run.outcome.error).toBeUndefined();
    expect(run.lines).toContain("still here");
  });

  it("fails a step whose local action is not in the workspace, and says what to do (4.1)", async () => {
    const run = await runYaml(workflowOf("\n  - uses: ./missing"), { files: { "readme.txt": "x" } });
    expect(run.fates["job/1"]).toBe("failure");
    expect(run.annotations[0]).toContain("Did you forget to run actions/checkout");
  });
});

describe("cancellation", () => {
  const workflow = `
on: push
jobs:
  long:
    runs-on: ubuntu-latest
    steps:
      - run: |
          trap 'echo interrupted; exit 9' INT
          echo waiting
          for i in $(seq 100); do sleep 0.1; done
      - run: echo never
      - if: cancelled()
        run: echo cleaning
      - if: failure()
        run: echo never-failure
  next:
    needs: long
    runs-on: ubuntu-latest
    steps: [{ run: echo never }]
`;

  it("interrupts the step, runs cancelled() and always() steps, starts nothing else (3.2, 3.3)", async () => {
    const run = await runYaml(workflow, {
      ladder: RUNNER_LADDER,
      onEvent: (event, abort) => {
        if (event.type === "log" && event.line === "waiting") abort.cancel();
      },
    });
    expect(run.lines).toEqual(["waiting", "interrupted", "cleaning"]);
    expect(run.fates).toEqual({
      "long/1": "cancelled",
      "long/2": "cancelled",
      "long/3": "success",
      "long/4": "cancelled",
      "next/1": "cancelled",
    });
    expect(run.outcome.conclusion).toBe("cancelled");
    expect(run.outcome.counts.declared).toBe(5);
  });

  it("ends a process that ignores every signal but SIGKILL", async () => {
    const run = await runYaml(
      `on: push\njobs:\n  job:\n${job("steps:\n  - run: |\n      trap '' INT TERM\n      echo deaf\n      for i in $(seq 600); do sleep 0.1; done")}\n`,
      {
        onEvent: (event, abort) => {
          if (event.type === "log" && event.line === "deaf") abort.cancel();
        },
      },
    );
    expect(run.fates).toEqual({ "job/1": "cancelled" });
    expect(run.outcome.conclusion).toBe("cancelled");
  });

  it("ends everything at once when it is killed", async () => {
    const run = await runYaml(workflow, {
      onEvent: (event, abort) => {
        if (event.type === "log" && event.line === "waiting") abort.kill();
      },
    });
    expect(run.lines).not.toContain("cleaning");
    expect(run.outcome.conclusion).toBe("cancelled");
    expect(run.outcome.counts.declared).toBe(5);
  });
});
