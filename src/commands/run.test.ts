import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EngineError } from "../lib/engine-error.ts";
import type { PlanResult } from "../plan/plan.ts";
import type { AnnotationFields, RunEventBody } from "../store/run-event.ts";
import { run, start } from "./fake-command-line.ts";
import { aPlan, aRun, at, failed, noCounts, planned, refused } from "./fake-hearth.ts";

const ci = ".github/workflows/ci.yml";
const lint = ".github/workflows/lint.yml";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "hearth-run-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function file(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

describe("hearth run", () => {
  it("names provider and isolation first, prints the runs, and ends with one line for each workflow", async () => {
    const events = aRun([{ name: "Test", lines: ["ok"] }]);
    const { code, stdout, stderr } = await run(["run"], {
      results: [planned(ci), planned(lint)],
      runs: { [ci]: { events } },
    });
    expect(code).toBe(0);
    expect(stderr).toBe("");
    expect(stdout.split("\n").slice(0, 3)).toEqual([
      "push refs/heads/main 0123456  2 workflows",
      "gvisor: sandbox (gVisor), no KVM on this host",
      "",
    ]);
    expect(stdout).toContain("ci.yml | build | Test | ok\n");
    expect(stdout).toMatch(
      /\nci\.yml {4}success {2}1\/1 steps {2}1\.2s\nlint\.yml {2}success {2}1\/1 steps {2}1\.2s\n$/,
    );
  });

  it("says on stderr, once, what takes long while machines are made", async () => {
    const progress = ["machine: making a template, once", "machine: making a template, once", "\u001b[2Jkernel"];
    const runs = { [ci]: { progress }, [lint]: { progress } };
    for (const argv of [["run"], ["run", "--json"]]) {
      const { stdout, stderr, hearth } = await run(argv, { results: [planned(ci), planned(lint)], runs });
      expect(stderr).toBe("machine: making a template, once\nkernel\n");
      expect(stdout).not.toContain("template");
      expect(hearth.watchers()).toBe(0);
    }
  });

  it("says on stderr from where on no moment is kept, and why", async () => {
    const [first, ...rest] = aRun([{ name: "Test" }]);
    const failed = { type: "checkpoint_failed", job: "build", before: 3, reason: "the disk is full" } as const;
    const runs = { [ci]: { events: [...(first === undefined ? [] : [first]), failed, ...rest] } };
    const { code, stderr } = await run(["run"], { results: [planned(ci)], runs });
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: "No moment of build is kept from before step 3 on: the disk is full\n",
    });
  });

  it("shows the last lines of a failed step and the command for the rest, annotations before them", async () => {
    const lines = Array.from({ length: 30 }, (_, i) => `line ${i + 1}`);
    const events = aRun([{ name: "Test it", lines: ["▸group", ...lines, "◂"], fate: failed }], "failure");
    const annotation: AnnotationFields = {
      level: "error",
      message: "expected 1\ngot 2",
      title: "Test",
      file: "src/a.ts",
      line: 3,
      endLine: undefined,
      column: 7,
      endColumn: undefined,
    };
    events.splice(-2, 0, { type: "annotation", job: "build", step: "1", annotation });
    const { code, stdout } = await run(["run", ci], {
      results: [planned(ci)],
      runs: { [ci]: { events, outcome: { conclusion: "failure" } } },
    });
    expect(code).toBe(1);
    const report = stdout.slice(stdout.indexOf("Annotations")).split("\n");
    expect(report).toEqual([
      "Annotations",
      "  error src/a.ts:3:7: Test: expected 1  (ci.yml, build, Test it)",
      "    got 2",
      "",
      "ci.yml, build, Test it: failure (exit code 2)  0.1s",
      ...lines.slice(-20).map((line) => `  │ ${line}`),
      "  Process completed with exit code 2.",
      "  The whole log: hearth logs run1 --job build --step 1",
      "",
      "ci.yml  failure  1/1 steps  1.2s",
      "",
    ]);
  });

  it("refuses a broken or unsupported workflow before any machine, runs the others, and exits with 3", async () => {
    const unsupported = { kind: "unsupported", what: "actions/setup-go@v5", fix: "remote actions come later" } as const;
    const { code, stdout, stderr, hearth } = await run(["run"], {
      results: [refused(".github/workflows/bad.yml"), planned(lint, [{ kind: "run" }, unsupported]), planned(ci)],
    });
    expect(code).toBe(3);
    expect(stderr).toBe(
      [
        ".github/workflows/bad.yml:3:5: error: unknown event (on)",
        "bad.yml refused: nothing of it was started",
        ".github/workflows/lint.yml:2:9: unsupported: actions/setup-go@v5 is unsupported: remote actions come later (jobs.build.steps[1])",
        "lint.yml refused: nothing of it was started",
        "",
      ].join("\n"),
    );
    expect(hearth.calls.filter((call) => call.startsWith("start"))).toEqual([`start ${ci}`]);
    expect(stdout).toContain("ci.yml  success");
  });

  it("asks for no provider when everything is refused", async () => {
    const { code, hearth } = await run(["run"], { results: [refused(ci)] });
    expect({ code, calls: hearth.calls }).toEqual({ code: 3, calls: ["select"] });
  });

  it("refuses a workflow whose plan holds an error that is no step's", async () => {
    const plan = aPlan(ci);
    const warning = {
      kind: "unsupported",
      file: ci,
      at: { line: 9, column: 5 },
      key: "jobs.build.container",
      message: "containers are unsupported",
    } as const;
    const { code, stderr } = await run(["run"], { results: [{ kind: "planned", plan, warnings: [warning] }] });
    expect(code).toBe(3);
    expect(stderr).toContain(`${ci}:9:5: unsupported: containers are unsupported (jobs.build.container)`);
  });

  it("exits with 4 when the event triggers nothing, and says why", async () => {
    const { code, stdout, stderr, hearth } = await run(["run"], {
      results: [{ kind: "not_triggered", plan: aPlan(ci), warnings: [], reason: "it runs on release" }],
    });
    expect({ code, stdout, calls: hearth.calls }).toEqual({ code: 4, stdout: "", calls: ["select"] });
    expect(stderr).toContain(
      "ci.yml not triggered: it runs on release\nNothing to run: no workflow is triggered by push.",
    );
  });

  it("exits with 4 when every step was skipped: that is no success", async () => {
    const outcome = { conclusion: "skipped", counts: { ...noCounts, declared: 1, skipped: 1 } } as const;
    const { code, stdout } = await run(["run"], { results: [planned(ci)], runs: { [ci]: { outcome } } });
    expect(code).toBe(4);
    expect(stdout).toContain("ci.yml  skipped  0/1 steps (1 skipped)  1.2s");
  });

  it("exits with 5 when a machine was lost and says so", async () => {
    const outcome = { conclusion: "failure", error: { code: "MACHINE_LOST", message: "machine m1 ended" } } as const;
    const { code, stdout } = await run(["run"], {
      results: [planned(ci)],
      runs: { [ci]: { events: aRun([]), outcome } },
    });
    expect(code).toBe(5);
    expect(stdout).toContain("ci.yml: MACHINE_LOST: machine m1 ended\n");
    expect(stdout).toContain("ci.yml  error  1/1 steps");
  });

  it("lets a run that cannot begin spoil neither the others nor the summary", async () => {
    const cannotBegin = new EngineError("STATE_UNWRITABLE", "Cannot keep runs in /state/runs", {
      hint: "free some space",
    });
    const { code, stdout } = await run(["run"], {
      results: [planned(ci), planned(lint)],
      runs: { [ci]: { cannotBegin } },
    });
    expect(code).toBe(5);
    expect(stdout).toContain("ci.yml: Cannot keep runs in /state/runs\n  free some space\n");
    expect(stdout).toMatch(/ci\.yml {4}error {4}0\/1 steps \(1 not reached\)\nlint\.yml {2}success {2}1\/1 steps/);
  });

  it("shows a fault of ours with its stack and exits with 70", async () => {
    const { code, stdout } = await run(["run"], {
      results: [planned(ci)],
      runs: { [ci]: { cannotBegin: new TypeError("x") } },
    });
    expect(code).toBe(70);
    expect(stdout).toMatch(/\nci\.yml: a fault in Hearth: TypeError: x\n +at .*\n/);
  });

  it("shows no isolation in green that isolates nothing", async () => {
    const { stdout } = await run(["run"], { results: [planned(ci)], isolation: "none (host)", colors: true });
    expect(stdout).toContain("\u001b[33mnone (host)\u001b[39m");
  });

  it("runs at most as many workflows at once as configured", async () => {
    const paths = ["a.yml", "b.yml", "c.yml", "d.yml"];
    const { hearth } = await run(["run"], { results: paths.map((path) => planned(path)), concurrency: 1 });
    expect(hearth.calls.slice(2)).toEqual(paths.flatMap((path) => [`start ${path}`, `end ${path}`]));
  });

  it("draws a live view on a terminal and leaves only what is final", async () => {
    const events = aRun([{ name: "Test", lines: ["ok"] }]);
    const { code, stdout } = await run(["run"], { results: [planned(ci)], runs: { [ci]: { events } }, live: true });
    expect(code).toBe(0);
    expect(stdout).toContain("    ✓ Test  0.1s");
    expect(stdout).not.toContain("| ok");
    expect(stdout.endsWith("ci.yml  success  1/1 steps  1.2s\n")).toBe(true);
  });
});

function withSummary(text: string) {
  const events = aRun([{ name: "Test" }]);
  events.splice(-2, 0, { type: "step_summary", job: "build", step: "1", markdown: text });
  return { results: [planned(ci)], runs: { [ci]: { events } } };
}

describe("step summaries", () => {
  const markdown = ["# Results", "", "| Suite | Passed |", "|--|--:|", "| unit | 120 |"].join("\n");

  it("are shown before the last lines, as written into a pipe, rendered on a terminal", async () => {
    const piped = (await run(["run"], withSummary(markdown))).stdout;
    expect(piped).toContain(`\nSummary of ci.yml, build\n${markdown}\n\nci.yml  success`);
    const live = (await run(["run"], { ...withSummary(markdown), live: true })).stdout;
    expect(live).toContain(
      "Summary of ci.yml, build\nResults\n\nSuite  Passed\n─────  ──────\nunit      120\n\nci.yml  success",
    );
  });

  it("are cut where they are long, with the command for the rest", async () => {
    const { stdout } = await run(["run"], withSummary("line\n".repeat(1_000)));
    expect(stdout.split("\n").filter((line) => line === "line")).toHaveLength(40);
    expect(stdout).toContain("\n  … the whole summary: hearth logs --summary run1\n");
  });
});

const kept = (
  id: string,
  workflow: string,
  bodies: readonly RunEventBody[],
  status: "in_progress" | "lost" = "lost",
) => ({
  run: id,
  runNumber: 1,
  repository: "/repo",
  workflow,
  event: "push",
  startedAt: at,
  title: undefined,
  attempt: 1,
  state: status === "lost" ? { status, cause: "killed" as const } : { status },
  events: bodies.map((body) => ({ at, ...body })),
});

describe("hearth run --failed", () => {
  const outputs = { version: "2" };
  const jobs = (build: "success" | "failure"): RunEventBody[] => [
    { type: "job_planned", job: "build", id: "build", name: "Build", steps: [{ number: 1, name: "x", way: "run" }] },
    { type: "job_completed", job: "build", conclusion: build, reason: undefined, outputs, durationMs: 1 },
  ];
  const started = aRun([])
    .map((body) => (body.type === "run_started" ? { ...body, attempt: 3, firstRun: "aaa" } : body))
    .slice(0, 1);

  it("goes on from the latest run of each workflow, and leaves what ended well", async () => {
    const { code, stderr, hearth } = await run(["run", "--failed"], {
      results: [planned(ci), planned(lint), planned(".github/workflows/new.yml")],
      stored: [
        kept("ddd", lint, jobs("success")),
        kept("ccc", ci, [...started, ...jobs("failure")]),
        kept("bbb", ci, jobs("success")),
      ],
    });
    expect(code).toBe(0);
    expect(stderr.split("\n")).toEqual([
      "ci.yml: goes on from run ccc with build",
      "lint.yml: no job of run ddd failed, nothing to run again",
      "new.yml: no run for push is kept, nothing to run again",
      "",
    ]);
    expect(hearth.calls.filter((call) => call.startsWith("start"))).toEqual([`start ${ci}`]);
    expect(hearth.runOptions[0]?.earlier).toEqual({ run: "ccc", firstRun: "aaa", attempt: 4, succeeded: new Map() });
  });

  it("exits with 4 and asks for no machine when nothing failed", async () => {
    const { code, hearth } = await run(["run", "--failed"], {
      results: [planned(ci)],
      stored: [kept("ccc", ci, jobs("success"))],
    });
    expect({ code, calls: hearth.calls }).toEqual({ code: 4, calls: ["select"] });
  });

  it("takes file and event from the run that is named", async () => {
    const dispatched = { ...kept("ccc", ci, jobs("failure")), event: "workflow_dispatch" };
    const dispatch = aPlan(ci);
    const plan = { ...dispatch, event: { ...dispatch.event, name: "workflow_dispatch" } };
    const options = {
      results: [{ kind: "planned", plan, warnings: [] } as const],
      stored: [kept("ddd", ci, jobs("failure")), dispatched],
    };
    const { code, hearth } = await run(["run", "--failed", "cc"], options);
    expect(code).toBe(0);
    expect(hearth.requests).toMatchObject([{ path: `/repo/${ci}`, event: "workflow_dispatch" }]);
    expect(hearth.runOptions[0]?.earlier).toMatchObject({ run: "ccc" });
    const other = await run(["run", "--failed", "cc", "--event", "push"], { ...options, results: [planned(ci)] });
    expect(other.code).toBe(2);
    expect(other.stderr).toContain(
      "Run ccc is not of .github/workflows/ci.yml for push: it is of .github/workflows/ci.yml for workflow_dispatch",
    );
  });

  it("does not go on from a run that is going on itself", async () => {
    const { code, stderr } = await run(["run", "--failed"], {
      results: [planned(ci)],
      stored: [kept("ccc", ci, jobs("failure"), "in_progress")],
    });
    expect(code).toBe(4);
    expect(stderr).toBe("ci.yml: its run ccc is going on\n");
  });

  it("takes a path after it for the workflow, and goes with nothing that runs nothing", async () => {
    const { hearth } = await run(["run", "--failed", "./ci.yml"], { results: [planned(ci)] });
    expect(hearth.requests[0]?.path).toMatch(/\/ci\.yml$/);
    expect((await run(["run", "--failed", "--watch"])).code).toBe(2);
    expect((await run(["run", "--list", "--failed"])).code).toBe(2);
  });
});

const lacksJob = (path: string): PlanResult => ({
  kind: "refused",
  path,
  fault: "selection",
  diagnostics: [
    { kind: "error", file: path, at: undefined, key: "jobs", message: "There is no job 'test'; there are: lint" },
  ],
});

describe("what a person asked for and a file does not have", () => {
  it("is a usage error when no file has it", async () => {
    const { code, stderr, hearth } = await run(["run", "--job", "test"], { results: [lacksJob(ci), lacksJob(lint)] });
    expect({ code, calls: hearth.calls }).toEqual({ code: 2, calls: ["select"] });
    expect(stderr).toContain(`${ci}: error: There is no job 'test'; there are: lint (jobs)\n`);
  });

  it("only leaves out the other files when one has it", async () => {
    const results = [lacksJob(lint), planned(ci)];
    const { code, stderr } = await run(["run", "--job", "test"], { results });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const plan = await run(["plan", "--job", "test"], { results });
    expect(plan.code).toBe(0);
    expect(plan.stdout).toContain("lint.yml  not selected: There is no job 'test'; there are: lint\n");
    expect(plan.stdout).toMatch(/\n2 workflows {2}1 job {2}1 step {2}0 refused\n$/);
  });

  it("is never passed over for an input", async () => {
    const wrong = { ...lacksJob(lint), fault: "inputs" } as const;
    const { code, hearth } = await run(["run"], { results: [wrong, planned(ci)] });
    // A mistyped input must not start what takes it.
    expect({ code, calls: hearth.calls }).toEqual({ code: 2, calls: ["select"] });
    expect((await run(["plan"], { results: [wrong, planned(ci)] })).code).toBe(2);
  });
});

describe("hearth run --json", () => {
  it("prints every event with its run's id, then a summary for each workflow, and nothing else", async () => {
    const events = aRun([{ name: "Test", lines: ["ok"], fate: failed }], "failure");
    const { stdout } = await run(["run", "--json"], {
      results: [refused(lint), planned(ci)],
      runs: { [ci]: { events, outcome: { conclusion: "failure" } } },
    });
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    expect(lines[0]).toMatchObject({
      type: "summary",
      workflow: lint,
      conclusion: "refused",
      diagnostics: [{ message: "unknown event" }],
    });
    const ofRun = lines.slice(1, -1);
    expect(ofRun).toHaveLength(events.length);
    for (const line of ofRun) expect(line).toMatchObject({ run: "run1" });
    expect(ofRun).toContainEqual(expect.objectContaining({ type: "log", line: "ok", job: "build", step: "1" }));
    expect(lines.at(-1)).toMatchObject({
      type: "summary",
      workflow: ci,
      run: "run1",
      conclusion: "failure",
      error: null,
      failedSteps: [{ job: "build", step: "1", name: "Test" }],
      failedJobs: [{ job: "build", reason: null }],
      counts: { declared: 1, ran: 1 },
    });
  });
});

describe("Ctrl-C", () => {
  it("cancels first, starts nothing more, kills at the second time, and exits with 130", async () => {
    const { hearth, terminal, code } = start(["run"], {
      results: [planned(ci), planned(lint)],
      runs: { [ci]: { events: aRun([{ name: "Sleep" }]), untilCancelled: true } },
      concurrency: 1,
    });
    await hearth.called(`start ${ci}`);
    // Until the command has its handle.
    await new Promise(setImmediate);
    terminal.interrupt();
    expect(hearth.calls.at(-1)).toBe(`cancel ${ci}`);
    expect(terminal.stderr()).toContain("Ctrl-C again ends everything at once");
    // npm passes on what the terminal sent already: the same key.
    terminal.interrupt();
    expect(hearth.calls.at(-1)).toBe(`cancel ${ci}`);
    terminal.advance(200);
    terminal.interrupt();
    expect(await code).toBe(130);
    expect(hearth.calls.slice(-2)).toEqual([`kill ${ci}`, `end ${ci}`]);
    expect(hearth.calls).not.toContain(`start ${lint}`);
    expect(terminal.stdout()).toMatch(/lint\.yml {2}cancelled {2}0\/1 steps \(1 not reached\)\n$/);
    expect(terminal.listeners()).toBe(0);
  });

  it("reaches a run that was being made when it was pressed", async () => {
    const { hearth, terminal, code } = start(["run"], {
      results: [planned(ci)],
      runs: { [ci]: { untilCancelled: true } },
    });
    await hearth.called(`start ${ci}`);
    terminal.interrupt();
    terminal.advance(200);
    terminal.interrupt();
    expect(await code).toBe(130);
    expect(hearth.calls).toContain(`kill ${ci}`);
  });
});

describe("what is handed on", () => {
  it("is the selection as it was typed", async () => {
    const payload = file("event.json", '{"ref":"x","__proto__":{"a":1}}');
    const typed = `run w.yml --event workflow_dispatch --event-file ${payload} --job test
      --matrix os:ubuntu:22 --matrix node:20 --input level=a=b --var V=1`;
    const { hearth } = await run(typed.split(/\s+/));
    expect(hearth.requests).toMatchObject([
      {
        path: join(process.cwd(), "w.yml"),
        event: "workflow_dispatch",
        job: "test",
        matrix: [
          { key: "os", value: "ubuntu:22" },
          { key: "node", value: "20" },
        ],
        inputs: { level: "a=b" },
        vars: { V: "1" },
      },
    ]);
    expect(Object.keys(hearth.requests[0]?.payload ?? {})).toEqual(["ref", "__proto__"]);
  });

  it("is secrets from files, the environment and options, the options over the files", async () => {
    const secrets = file("secrets.env", "A=file\nB='from file'\n");
    const { hearth } = await run(
      ["run", "--secret-file", secrets, "--secret", "A=given", "--secret", "C", "--env", "E=1", "--machine-per", "job"],
      { results: [planned(ci)], environment: { C: "from environment" } },
    );
    expect(hearth.runOptions[0]).toMatchObject({
      secrets: { A: "given", B: "from file", C: "from environment" },
      env: { E: "1" },
      machinePer: "job",
      repository: "/repo",
    });
  });

  it("says once where --matrix-fork has no effect", async () => {
    const { hearth, stderr } = await run(["run", "--matrix-fork"], { results: [planned(ci)] });
    expect(stderr).toContain("--matrix-fork has no effect: provider gvisor cannot save a machine.\n");
    expect(hearth.runOptions[0]).not.toHaveProperty("matrixFork");
  });

  it("is a secret that somebody typed, and without anybody to ask it is a usage error", async () => {
    const asked = await run(["run", "--secret", "TOKEN"], { results: [planned(ci)], typed: "hunter2" });
    expect(asked.hearth.runOptions[0]?.secrets).toEqual({ TOKEN: "hunter2" });
    expect(asked.stdout + asked.stderr).not.toContain("hunter2");
    const alone = await run(["run", "--secret", "TOKEN"], { results: [planned(ci)] });
    expect(alone.code).toBe(2);
    expect(alone.stderr).toContain("No value for --secret TOKEN");
  });

  it.each([
    ["[1]", "an event is a JSON object"],
    ["{", "Cannot read --event-file"],
  ])("refuses the event file %s", async (content, message) => {
    const { code, stderr } = await run(["run", "--event-file", file("bad.json", content)]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it("is variables from files, the options over them, for steps and for the vars context", async () => {
    const env = file("env", "A=file\nexport B='from file'\n");
    const vars = file("vars", "REGION=eu\nZONE=1\n");
    const { hearth } = await run(
      ["run", "--env-file", env, "--env", "A=given", "--var-file", vars, "--var", "REGION=us", "--skip-unsupported"],
      { results: [planned(ci)] },
    );
    expect(hearth.requests[0]).toMatchObject({ vars: { REGION: "us", ZONE: "1" }, skipUnsupported: true });
    expect(hearth.runOptions[0]).toMatchObject({
      env: { A: "given", B: "from file" },
      vars: { REGION: "us", ZONE: "1" },
      skipUnsupported: true,
    });
  });

  it("names the line of a secret file that is wrong, never its content", async () => {
    const { code, stderr } = await run(["run", "--secret-file", file("bad.env", "A=1\nhunter2\n")]);
    expect(code).toBe(2);
    expect(stderr).toContain("bad.env:2: expected NAME=value");
    expect(stderr).not.toContain("hunter2");
  });
});
