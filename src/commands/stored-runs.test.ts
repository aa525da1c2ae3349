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

describe("hearth runs", () => {
  it("lists runs in columns, and says `lost` of a run whose process is gone", async () => {
    const { code, stdout } = await run(["runs"], {
      stored: [
        stored("bbb", [], { status: "in_progress" }),
        stored("aaa", [], { status: "lost" }),
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

  it("tells that a run was lost or is going on", async () => {
    expect((await run(["logs"], { stored: [stored("999", bodies, { status: "lost" })] })).stderr).toContain(
      "The run was lost",
    );
    expect((await run(["logs"], { stored: [stored("999", bodies, { status: "in_progress" })] })).stderr).toContain(
      "going on",
    );
  });
});
