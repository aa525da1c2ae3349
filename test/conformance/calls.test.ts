/** Jobs that call workflows: inputs, secrets, outputs, matrices, results, permissions (ACTIONS-CONTRACT §1.5, §3.4). */
import { describe, expect, it } from "vitest";
import { effectivePermissions } from "../../src/workflow/permissions.ts";
import { planYaml, runYaml } from "../run-yaml.ts";

const CALLED = ".github/workflows/called.yml";

const called = (body: string, trigger = ""): Record<string, string> => ({
  [CALLED]: `on:\n  workflow_call:\n${trigger}\njobs:\n${body}`,
});

const step = (run: string): string => `runs-on: ubuntu-latest\n    steps: [{ run: '${run}' }]`;

describe("a job that calls a workflow", () => {
  it("gives it typed inputs, its own secrets and env, and has its outputs", async () => {
    const files = called(
      `  inner:
    runs-on: ubuntu-latest
    outputs: { made: "\${{ steps.m.outputs.made }}" }
    steps:
      - id: m
        run: |
          echo "\${{ toJSON(inputs) }}" | tr -d ' \\n'; echo
          echo "[\${{ secrets.OTHER }}] [\${{ env.OUTER }}] [\${{ env.INNER }}] \${{ github.workflow }} \${{ github.job }}"
          test "\${{ secrets.GIVEN }}" = hunter22 && echo given
          echo "made=\${{ inputs.count }}" >> "$GITHUB_OUTPUT"
`,
      `    inputs:
      count: { type: number, required: true }
      on: { type: boolean }
      name: { type: string, default: "d-\${{ github.ref_name }}" }
    outputs:
      total: { value: "\${{ jobs.inner.outputs.made }}-\${{ jobs.inner.result }}" }
    secrets:
      GIVEN: { required: true }
env: { INNER: own }`,
    );
    const run = await runYaml(
      `
on: push
name: Outer
env: { OUTER: never }
jobs:
  call:
    uses: ./.github/workflows/called.yml
    with: { count: 3 }
    secrets: { GIVEN: "\${{ secrets.MINE }}" }
  after:
    needs: call
    runs-on: ubuntu-latest
    steps: [{ run: 'echo "\${{ needs.call.outputs.total }} \${{ needs.call.result }}"' }]
`,
      { files, secrets: { MINE: "hunter22", OTHER: "hidden" } },
    );
    expect(run.lines).toEqual([
      "{count:3.0,on:false,name:d-main}".replace("3.0", "3"),
      "[] [] [own] Outer inner",
      "given",
      "3-success success",
    ]);
    expect(run.conclusions).toEqual({ "call / inner": "success", call: "success", after: "success" });
    expect(run.outputs["call"]).toEqual({ total: "3-success" });
    expect(run.outcome.counts).toEqual({ declared: 2, ran: 2, skipped: 0, notReached: 0, cancelled: 0 });
  });

  it("passes all secrets on with inherit", async () => {
    const files = called(`  inner:\n    ${step(`[ "\${{ secrets.A }}" = aaaa ] && echo same`)}`);
    const run = await runYaml(
      `on: push\njobs:\n  call:\n    uses: ./.github/workflows/called.yml\n    secrets: inherit\n`,
      { files, secrets: { A: "aaaa" } },
    );
    expect(run.lines).toEqual(["same"]);
  });

  it("is skipped with all that it would have called, and each of those steps has a fate", async () => {
    const files = called(`  one:\n    ${step("echo 1")}\n  two:\n    needs: one\n    ${step("echo 2")}`);
    const run = await runYaml(
      `on: push\njobs:\n  call:\n    if: false\n    uses: ./.github/workflows/called.yml\n  other:\n    ${step("echo other")}\n`,
      { files },
    );
    expect(run.conclusions).toEqual({
      "call / one": "skipped",
      "call / two": "skipped",
      call: "skipped",
      other: "success",
    });
    expect(run.outcome.counts).toEqual({ declared: 3, ran: 1, skipped: 2, notReached: 0, cancelled: 0 });
  });

  it("fails when a job of the called workflow fails, and fail-fast cancels its siblings", async () => {
    const files = called(
      `  inner:\n    runs-on: ubuntu-latest\n    steps:\n      - run: '[ "\${{ inputs.n }}" = 2 ]'`,
      `    inputs: { n: { type: string } }`,
    );
    const run = await runYaml(
      `
on: push
jobs:
  call:
    strategy: { matrix: { n: [1, 2, 3] }, max-parallel: 1 }
    uses: ./.github/workflows/called.yml
    with: { n: "\${{ matrix.n }}" }
  after:
    needs: call
    if: failure()
    ${step(`echo \${{ needs.call.result }}`)}
`,
      { files },
    );
    expect(run.conclusions).toEqual({
      "call (1) / inner": "failure",
      "call (1)": "failure",
      "call (2) / inner": "cancelled",
      "call (2)": "cancelled",
      "call (3) / inner": "cancelled",
      "call (3)": "cancelled",
      after: "success",
    });
    expect(run.lines.at(-1)).toBe("failure");
    expect(run.outcome.conclusion).toBe("failure");
  });

  it("may call another, and cancelling reaches all of it", async () => {
    const files = {
      ...called(
        `  deep:\n    uses: ./.github/workflows/deeper.yml\n  late:\n    needs: deep\n    ${step("echo late")}`,
      ),
      ".github/workflows/deeper.yml": `on: workflow_call\njobs:\n  d:\n    runs-on: ubuntu-latest\n    steps:\n      - run: sleep 60\n      - if: always()\n        run: echo cleaned\n`,
    };
    const run = await runYaml(`on: push\njobs:\n  call:\n    uses: ./.github/workflows/called.yml\n`, {
      files,
      onEvent: (event, abort) => {
        if (event.type === "step_started" && event.step === "1") abort.cancel();
      },
    });
    expect(run.conclusions).toEqual({
      "call / deep / d": "cancelled",
      "call / deep": "cancelled",
      "call / late": "cancelled",
      call: "cancelled",
    });
    expect(run.lines.at(-1)).toBe("cleaned");
    expect(run.outcome.conclusion).toBe("cancelled");
  });

  it("is named below its caller, with the caller's name", async () => {
    const files = called(
      `  inner:\n    name: Inner \${{ matrix.x }}\n    strategy: { matrix: { x: [a, b] } }\n    ${step("true")}`,
    );
    const run = await runYaml(`on: push\njobs:\n  call:\n    name: Outer\n    uses: ./.github/workflows/called.yml\n`, {
      files,
    });
    const planned = run.events.filter((event) => event.type === "job_planned");
    expect(planned.map(({ job, name, caller }) => [job, name, caller])).toEqual([
      ["call", "Outer", undefined],
      ["call / inner (a)", "Outer / Inner a", "call"],
      ["call / inner (b)", "Outer / Inner b", "call"],
    ]);
  });

  it("expands a matrix of the called workflow that reads its inputs", async () => {
    const files = called(
      `  inner:\n    strategy: { matrix: { v: "\${{ fromJSON(inputs.list) }}" } }\n    ${step(`echo \${{ matrix.v }}`)}`,
      `    inputs: { list: { type: string, required: true } }`,
    );
    const known = `on: push\njobs:\n  call:\n    uses: ./.github/workflows/called.yml\n    with: { list: "[1, 2]" }\n`;
    const [call] = planYaml(known, files).jobs;
    expect(call?.called?.kind === "called" && call.called.plan.jobs[0]?.cells).toHaveLength(2);
    const late = `
on: push
jobs:
  make:
    runs-on: ubuntu-latest
    outputs: { list: "\${{ steps.l.outputs.list }}" }
    steps: [{ id: l, run: 'echo list=[7,8,9] >> "$GITHUB_OUTPUT"' }]
  call:
    needs: make
    uses: ./.github/workflows/called.yml
    with: { list: "\${{ needs.make.outputs.list }}" }
`;
    const run = await runYaml(late, { files });
    expect(Object.keys(run.conclusions)).toEqual([
      "make",
      "call / inner (7)",
      "call / inner (8)",
      "call / inner (9)",
      "call",
    ]);
  });

  it("refuses an input of the wrong type, and the steps it would have run are not reached", async () => {
    const files = called(`  inner:\n    ${step("echo never")}`, `    inputs: { n: { type: number } }`);
    const run = await runYaml(
      `
on: push
jobs:
  call:
    uses: ./.github/workflows/called.yml
    with: { n: "\${{ github.ref_name }}" }
`,
      { files },
    );
    expect(run.fates).toEqual({ "call / inner/1": "not_reached" });
    expect(run.outcome.conclusion).toBe("failure");
  });

  it("refuses at plan what calls itself, what cannot be called, and inputs that are missing", () => {
    const call = `on: push\njobs:\n  call:\n    uses: ./.github/workflows/called.yml\n`;
    const itself = called(`  again:\n    uses: ./.github/workflows/called.yml`);
    expect(() => planYaml(call, itself)).toThrow(/calls itself/);
    expect(() => planYaml(call, { [CALLED]: `on: push\njobs:\n  a:\n    ${step("true")}` })).toThrow(/workflow_call/);
    const required = called(`  a:\n    ${step("true")}`, `    inputs: { n: { type: number, required: true } }`);
    expect(() => planYaml(call, required)).toThrow(/Input n is required/);
  });

  it("gives the called workflow no more permissions than the calling job has", () => {
    const files = called(`  inner:\n    ${step("true")}`);
    const plan = planYaml(
      `on: push\npermissions: write-all\njobs:\n  call:\n    permissions: { contents: read }\n    uses: ./.github/workflows/called.yml\n`,
      files,
    );
    const [call] = plan.jobs;
    const inner = call?.called?.kind === "called" ? call.called.plan : undefined;
    const [job] = inner?.jobs ?? [];
    if (call === undefined || inner === undefined || job === undefined) throw new Error("the call was not planned");
    const permissions = effectivePermissions([
      { workflow: plan.workflow, job: call.job },
      { workflow: inner.workflow, job: job.job },
    ]);
    expect(permissions).toMatchObject({ contents: "read", issues: "none", packages: "none" });
  });
});

const grouped = (id: string, extra: string, run: string): string =>
  `  ${id}:\n    concurrency: ${extra}\n    runs-on: ubuntu-latest\n    steps: [{ run: '${run}' }]\n`;

const exclusive = (cancel: boolean): string =>
  `on: push\nconcurrency: { group: "\${{ github.ref }}", cancel-in-progress: ${cancel} }\njobs:\n  a:\n    ${step("sleep 0.2")}\n`;

describe("concurrency", () => {
  it("lets one job of a group run at a time, and the newest that waits takes the place of the other", async () => {
    const yaml = `on: push\njobs:\n${grouped("a", "G", "sleep 0.2")}${grouped("b", "g", "true")}${grouped("c", "G", "true")}`;
    const run = await runYaml(yaml, { machinePer: "job" });
    expect(run.conclusions).toEqual({ a: "success", b: "cancelled", c: "success" });
    expect(run.events.filter(({ type }) => type === "waiting")).toHaveLength(2);
  });

  it("keeps all of them in line with queue: max", async () => {
    const group = "{ group: g, queue: max }";
    const yaml = `on: push\njobs:\n${grouped("a", group, "sleep 0.1")}${grouped("b", group, "true")}${grouped("c", group, "true")}`;
    const run = await runYaml(yaml, { machinePer: "job" });
    expect(run.conclusions).toEqual({ a: "success", b: "success", c: "success" });
  });

  it("cancels what runs with cancel-in-progress, and says why", async () => {
    const yaml = `on: push\njobs:\n${grouped("a", "g", "sleep 60")}${grouped("b", "{ group: g, cancel-in-progress: true }", "true")}`;
    const run = await runYaml(yaml, { machinePer: "job" });
    expect(run.conclusions).toEqual({ a: "cancelled", b: "success" });
    const ended = run.events.find((event) => event.type === "job_completed" && event.job === "a");
    expect(ended).toMatchObject({ reason: "another of the concurrency group 'g' started" });
  });

  it("holds for workflows too: the second of two runs waits for the first", async () => {
    const { createConcurrencyGroups } = await import("../../src/engine/concurrency-groups.ts");
    const concurrency = createConcurrencyGroups();
    const runs = await Promise.all([
      runYaml(exclusive(false), { concurrency }),
      runYaml(exclusive(false), { concurrency }),
    ]);
    expect(runs.map(({ outcome }) => outcome.conclusion)).toEqual(["success", "success"]);
    const first = runYaml(exclusive(false), { concurrency });
    const second = runYaml(exclusive(true), { concurrency });
    expect((await first).outcome.conclusion).toBe("cancelled");
    expect((await second).outcome.conclusion).toBe("success");
  });

  it("does not wait for ever for a group that its own caller holds", async () => {
    const files = { [CALLED]: `on: workflow_call\nconcurrency: g\njobs:\n  a:\n    ${step("true")}\n` };
    const run = await runYaml(`on: push\nconcurrency: g\njobs:\n  call:\n    uses: ./.github/workflows/called.yml\n`, {
      files,
    });
    expect(run.conclusions).toEqual({ "call / a": "cancelled", call: "cancelled" });
  });
});

describe("environments", () => {
  it("give a job its own secrets and variables, and the url is evaluated at its end", async () => {
    const run = await runYaml(
      `
on: push
jobs:
  deploy:
    environment: { name: Production, url: "https://\${{ steps.s.outputs.host }}/" }
    runs-on: ubuntu-latest
    steps:
      - id: s
        run: |
          echo "\${{ vars.REGION }} \${{ vars.COMMON }}"
          [ "\${{ secrets.KEY }}" = production-key ] && echo key
          echo host=example.org >> "$GITHUB_OUTPUT"
  other:
    runs-on: ubuntu-latest
    steps: [{ run: 'echo "[\${{ vars.REGION }}] [\${{ secrets.KEY }}]"' }]
`,
      {
        vars: { COMMON: "c" },
        environments: { production: { secrets: { KEY: "production-key" }, vars: { REGION: "eu" } } },
      },
    );
    expect(run.lines).toEqual(["eu c", "key", "[] []"]);
    const ended = run.events.find((event) => event.type === "job_completed" && event.job === "deploy");
    expect(ended).toMatchObject({ environment: { name: "Production", url: "https://example.org/" } });
  });
});

describe("a second attempt", () => {
  it("runs only what did not succeed before, with the outputs of what did", async () => {
    const run = await runYaml(
      `
on: push
jobs:
  made:
    runs-on: ubuntu-latest
    outputs: { x: never }
    steps: [{ run: exit 1 }]
  tested:
    needs: made
    runs-on: ubuntu-latest
    steps: [{ run: 'echo "\${{ needs.made.outputs.x }} \${{ needs.made.result }} \${{ github.run_attempt }}"' }]
`,
      {
        earlier: {
          run: "r1",
          firstRun: "r1",
          attempt: 2,
          succeeded: new Map([["made", { outputs: { x: "before" } }]]),
        },
      },
    );
    expect(run.lines).toEqual(["before success 2"]);
    expect(run.conclusions).toEqual({ made: "success", tested: "success" });
    expect(run.outcome).toMatchObject({ conclusion: "success", counts: { declared: 2, ran: 1, skipped: 1 } });
  });
});
