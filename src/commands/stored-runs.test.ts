import { describe, expect, it } from "vitest";
import type { RunEventBody } from "../store/run-event.ts";
import type { RunState } from "../store/run-store.ts";
import { run } from "./fake-command-line.ts";
import { aRun, at, failed, noCounts } from "./fake-hearth.ts";

const ending: Ending = {
  at,
  type: "run_completed",
  conclusion: "failure",
  error: undefined,
  counts: { ...noCounts, declared: 2, ran: 2 },
  durationMs: 61_000,
};
type Ending = Extract<RunState, { status: "completed" }>["ending"];

function stored(run: string, bodies: readonly RunEventBody[], state: RunState = { status: "completed", ending }) {
  return {
    run,
    runNumber: 7,
    repository: "/repo",
    workflow: ".github/workflows/ci.yml",
    event: "push",
    startedAt: at,
    title: undefined,
    attempt: 1,
    state,
    events: bodies.map((body) => ({ at, ...body })),
  };
}

const bodies = aRun(
  [
    { name: "Install", lines: ["▸Run npm ci", "in group", "◂", "\u001b[32mgreen\u001b[0m\u001b[2J"] },
    { name: "Test", lines: ["boom"], fate: failed },
  ],
  "failure",
);

const three = [
  { ...stored("ccc", bodies), title: "Deploy v2", attempt: 2 },
  { ...stored("bbb", bodies), workflow: ".github/workflows/lint.yml", startedAt: "2026-11-20T10:00:00.000Z" },
  { ...stored("aaa", [], { status: "in_progress" }), startedAt: "2026-10-01T10:00:00.000Z" },
];

const log = (job: string, text: string): RunEventBody => ({ type: "log", job, step: "1", line: text });

const summary = (job: string, step: string, markdown: string): RunEventBody => ({
  type: "step_summary",
  job,
  step,
  markdown,
});

const egress = (step: string, host: string, allowed: boolean, times: number): RunEventBody => {
  const answer = allowed ? { allowed } : { allowed, reason: "not on the allow list" };
  return { type: "egress", job: "build", step, host, port: 443, times, ...answer };
};

const removed = async (...argv: string[]) => {
  const { code, stdout, hearth } = await run(["runs", "prune", ...argv], { stored: three });
  expect(code).toBe(0);
  return [stdout, ...hearth.calls];
};

describe("hearth runs", () => {
  it("lists runs in columns, and says `lost` of a run whose process is gone", async () => {
    const { code, stdout } = await run(["runs"], {
      stored: [
        stored("bbb", [], { status: "in_progress" }),
        stored("aaa", [], { status: "lost", cause: "killed" }),
        stored("999", bodies),
        stored("998", [], {
          status: "completed",
          ending: { ...ending, error: { code: "MACHINE_LOST", message: "" } },
        }),
      ],
    });
    expect(code).toBe(0);
    expect(stdout.split("\n")).toEqual([
      "RUN  WORKFLOW  NUMBER  EVENT  STATUS       STEPS  TOOK    STARTED              REPOSITORY",
      "bbb  ci.yml    #7      push   in_progress                 2026-11-22 10:00:00  /repo",
      "aaa  ci.yml    #7      push   lost                        2026-11-22 10:00:00  /repo",
      "999  ci.yml    #7      push   failure      2/2    1m 01s  2026-11-22 10:00:00  /repo",
      "998  ci.yml    #7      push   error        2/2    1m 01s  2026-11-22 10:00:00  /repo",
      "",
    ]);
  });

  it("shows title and attempt where there are any", async () => {
    const [heading, first] = (await run(["runs"], { stored: three })).stdout.split("\n");
    expect(heading).toMatch(/REPOSITORY {2}TITLE$/);
    expect(first).toMatch(/ci\.yml {4}#7, attempt 2 .* Deploy v2$/);
  });

  it("shows only so many, or those of a workflow, named by its end", async () => {
    const shown = async (...argv: string[]) =>
      (await run(["runs", ...argv], { stored: three })).stdout.match(/^\w{3} /gm);
    expect(await shown("--limit", "1")).toEqual(["RUN ", "ccc "]);
    expect(await shown("--workflow", "ci.yml")).toEqual(["RUN ", "ccc ", "aaa "]);
    const none = await run(["runs", "--workflow", "i.yml"], { stored: three });
    expect(none).toMatchObject({ code: 0, stdout: "", stderr: "No run of i.yml is kept.\n" });
  });

  it("prints one JSON document with --json, an empty one where there are none", async () => {
    const { stdout } = await run(["runs", "--json"], { stored: three });
    expect(JSON.parse(stdout)).toMatchObject([
      { run: "ccc", title: "Deploy v2", attempt: 2, status: "completed", conclusion: "failure", counts: { ran: 2 } },
      { run: "bbb", title: null },
      { run: "aaa", status: "in_progress", conclusion: null },
    ]);
    expect(JSON.parse((await run(["runs", "--json"])).stdout)).toEqual([]);
  });

  it("prune keeps the newest or what is newer, never removes what is going on", async () => {
    expect(await removed("--keep", "1")).toEqual(["1 run removed, 2 kept\n", "remove bbb"]);
    expect(await removed("--older-than", "24h")).toEqual(["1 run removed, 2 kept\n", "remove bbb"]);
    expect(await removed("--older-than", "30d")).toEqual(["0 runs removed, 3 kept\n"]);
    expect(await removed()).toEqual(["0 runs removed, 3 kept\n"]);
    expect(await run(["runs", "prune", "--older-than", "soon"])).toMatchObject({ code: 2 });
  });

  it("prune takes --state as the others do", async () => {
    expect((await run(["runs", "prune", "--state", "/elsewhere"])).flags).toMatchObject({ state: "/elsewhere" });
  });

  it("says what to do when there are none", async () => {
    expect(await run(["runs"])).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "No runs yet: `hearth run` makes one.\n",
    });
  });
});

describe("hearth logs", () => {
  it("prints everything into a pipe, the latest run by default, with facts about the run on stderr", async () => {
    const { code, stdout, stderr } = await run(["logs"], { stored: [stored("999", bodies)] });
    expect(code).toBe(0);
    expect(stdout.split("\n")).toEqual([
      "build | 1 Install",
      "  ▸ Run npm ci",
      "  in group",
      "  green",
      "  success  0.1s",
      "build | 2 Test",
      "  boom",
      "  failure (exit code 2)  0.1s: Process completed with exit code 2.",
      "",
    ]);
    expect(stderr).toBe(`999  .github/workflows/ci.yml #7  push  ${at}\nfailure  1m 01s\n`);
  });

  it("folds groups on a terminal and opens them with --verbose, keeping colours and nothing else of what was printed", async () => {
    const options = { stored: [stored("999", bodies)], live: true, colors: true };
    const folded = (await run(["logs"], options)).stdout;
    expect(folded).not.toContain("in group");
    expect(folded).toContain("(1 line, --verbose shows it all)");
    expect(folded).toContain("\u001b[32mgreen\u001b[0m");
    expect(folded).not.toContain("\u001b[2J");
    expect((await run(["logs", "--verbose"], options)).stdout).toContain("in group");
  });

  it("shows only the job and step that were asked for, by number or name", async () => {
    const options = { stored: [stored("999", bodies)] };
    for (const step of ["2", "Test"]) {
      const { stdout } = await run(["logs", "99", "--job", "build", "--step", step], options);
      expect(stdout.split("\n")[0]).toBe("build | 2 Test");
    }
  });

  it("names what there is when the job or step is not there", async () => {
    const options = { stored: [stored("999", bodies)] };
    const job = await run(["logs", "--job", "deploy"], options);
    expect(job).toMatchObject({ code: 2, stdout: "" });
    expect(job.stderr).toContain("error: Run 999 has no job deploy\n  Its jobs: build\n");
    const step = await run(["logs", "--step", "9"], options);
    expect(step.stderr).toContain("error: Run 999 has no log of step 9\n  Steps of build: 1 Install, 2 Test\n");
  });

  it("takes a job that calls a workflow for all jobs of that", async () => {
    const none = { steps: [], reason: undefined, outputs: {} };
    const called: RunEventBody[] = [
      { type: "job_planned", job: "deploy", id: "deploy", calls: "./x.yml", name: "deploy", ...none },
      { type: "job_planned", job: "deploy / build", id: "build", caller: "deploy", name: "b", ...none },
      { type: "job_planned", job: "lint", id: "lint", name: "l", ...none },
      log("deploy / build", "inner"),
      log("lint", "other"),
    ];
    const { stdout } = await run(["logs", "--job", "deploy"], { stored: [stored("999", called)] });
    expect(stdout).toBe("deploy / build | 1 1\n  inner\n");
  });

  it("shows what steps wrote into their summaries with --summary, rendered on a terminal, as written into a pipe", async () => {
    const written = [
      ...bodies,
      summary("build", "1", "# Results\n"),
      summary("build", "2", "| a |\n|--|\n| \u001b[2J1 |\n"),
    ];
    const options = { stored: [stored("999", written)] };
    const raw = await run(["logs", "--summary"], options);
    expect(raw.stdout).toBe("Summary of build\n# Results\n\n| a |\n|--|\n| 1 |\n\n");
    const rendered = await run(["logs", "--summary", "99", "--job", "build"], { ...options, live: true });
    expect(rendered.stdout).toBe("Summary of build\nResults\n\na\n─\n1\n\n");
    const none = await run(["logs", "--summary"], { stored: [stored("999", bodies)] });
    expect(none).toMatchObject({ code: 0, stdout: "" });
    expect(none.stderr).toContain("No step wrote a summary.\n");
    expect(await run(["logs", "--summary", "--step", "1"], options)).toMatchObject({ code: 2, stdout: "" });
    expect(await run(["logs", "--summary", "--job", "x"], options)).toMatchObject({ code: 2, stdout: "" });
  });

  it("shows with --network which hosts each step asked for, allowed and refused apart, and can show one step", async () => {
    const written = [
      ...bodies,
      egress("1", "a.example", true, 2),
      egress("2", "evil\u001b[2J.example", false, 1),
      egress("1", "a.example", true, 1),
    ];
    const options = { stored: [stored("999", written)] };
    const { stdout } = await run(["logs", "--network"], options);
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/ {2,}/u));
    expect(lines).toEqual([
      ["JOB", "STEP", "HOST", "PORT", "ANSWER", "TIMES", "WHY"],
      ["build", expect.stringMatching(/^1/u), "a.example", "443", "allowed", "3"],
      [
        "build",
        expect.stringMatching(/^2/u),
        expect.stringContaining("evil"),
        "443",
        "refused",
        "1",
        "not on the allow list",
      ],
    ]);
    expect(stdout).not.toContain("\u001b");
    expect((await run(["logs", "--network", "--step", "2"], options)).stdout).not.toContain("a.example");
    expect(await run(["logs", "--network", "--step", "9"], options)).toMatchObject({ code: 2, stdout: "" });
    const none = await run(["logs", "--network"], { stored: [stored("999", bodies)] });
    expect(none.stderr).toMatch(/No step asked for an outside host|steps on the host/u);
  });

  it("tells that a run was lost or is going on", async () => {
    expect(
      (await run(["logs"], { stored: [stored("999", bodies, { status: "lost", cause: "killed" })] })).stderr,
    ).toContain("The run was lost (killed)");
    expect((await run(["logs"], { stored: [stored("999", bodies, { status: "in_progress" })] })).stderr).toContain(
      "going on",
    );
  });
});
