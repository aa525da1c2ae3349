/**
 * Steps in the background, and the steps that start, await and end them. Rules are of ACTIONS-CONTRACT §3.4 and of GitHub's page
 * https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsbackground
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fakeProvider } from "../../src/provider/fake/provider.ts";
import { runYaml } from "../run-yaml.ts";
import type { YamlRun, YamlRunOptions } from "../run-yaml.ts";

function runSteps(steps: string, options: YamlRunOptions = {}): Promise<YamlRun> {
  return runYaml(`on: push\njobs:\n  job:\n    runs-on: ubuntu-latest\n    steps:${steps}\n`, options);
}

/** Steps that meet: each goes on when the file is there, and none could if the others were not running. */
const until = (file: string): string => `until test -e ${file}; do sleep 0.01; done`;
/** The process that wrote its id into the file has ended, and was seen to. */
const untilGone = (file: string): string =>
  `until test -s ${file} && ! kill -0 "$(cat ${file})" 2> /dev/null; do sleep 0.01; done`;

describe("a background step", () => {
  it("runs while the steps after it run, and shows what it did only after its wait", async () => {
    const run = await runSteps(`
      - id: side
        background: true
        run: |
          ${until("go")}
          echo "out=made" >> "$GITHUB_OUTPUT"
          echo "VARIABLE=set" >> "$GITHUB_ENV"
          echo "/side/bin" >> "$GITHUB_PATH"
          touch done
      - run: |
          touch go
          ${until("done")}
      - run: echo "before [\${{ steps.side.outputs.out }}] [\${{ steps.side.outcome }}] [$VARIABLE] $(echo $PATH | grep -c /side/bin)" || true
      - wait: side
      - run: echo "after [\${{ steps.side.outputs.out }}] [\${{ steps.side.outcome }}] [$VARIABLE] [\${{ env.VARIABLE }}] \${PATH%%:*}"`);
    expect(run.outcome).toMatchObject({ conclusion: "success", error: undefined });
    expect(run.lines).toContain("before [] [] [] 0");
    expect(run.lines).toContain("after [made] [success] [set] [set] /side/bin");
    expect(Object.values(run.fates)).toEqual(Array(5).fill("success"));
  });

  it("overwrites at its wait what a step has set meanwhile, whoever wrote last", async () => {
    const run = await runSteps(`
      - id: side
        background: true
        run: echo "WHO=background" >> "$GITHUB_ENV"
      - run: echo "WHO=foreground" >> "$GITHUB_ENV"
      - run: echo "first $WHO"
      - wait-all:
      - run: echo "then $WHO"`);
    expect(run.lines).toContain("first foreground");
    expect(run.lines).toContain("then background");
  });

  it("sees the job as it was in its turn", async () => {
    const run = await runSteps(`
      - run: echo "WHEN=early" >> "$GITHUB_ENV"
      - id: side
        background: true
        if: success() && env.WHEN == 'early'
        run: |
          ${until("go")}
          echo "it is $WHEN"
      - run: |
          echo "WHEN=late" >> "$GITHUB_ENV"
          touch go
      - wait: side`);
    expect(run.lines).toContain("it is early");
  });

  it("that fails fails the job at its wait and not before", async () => {
    const run = await runSteps(`
      - id: side
        background: true
        run: |
          touch failed
          exit 3
      - run: |
          ${until("failed")}
      - run: echo "still \${{ job.status }}"
      - id: waiting
        wait: side
      - run: echo never
      - if: failure()
        run: echo "\${{ steps.side.outcome }} \${{ steps.side.conclusion }} \${{ steps.waiting.outcome }}"`);
    expect(run.fates).toEqual({
      "job/1": "failure",
      "job/2": "success",
      "job/3": "success",
      "job/4": "failure",
      "job/5": "skipped",
      "job/6": "success",
    });
    expect(run.lines).toContain("still success");
    expect(run.lines).toContain("failure failure failure");
    expect(run.outcome.conclusion).toBe("failure");
  });

  it("with continue-on-error fails neither its wait nor the job", async () => {
    const run = await runSteps(`
      - id: side
        background: true
        continue-on-error: true
        run: exit 3
      - wait: side
      - run: echo "\${{ steps.side.outcome }} \${{ steps.side.conclusion }}"`);
    expect(run.fates).toEqual({ "job/1": "failure/success", "job/2": "success", "job/3": "success" });
    expect(run.lines).toContain("failure success");
    expect(run.outcome.conclusion).toBe("success");
  });

  it("is tolerated when its wait says continue-on-error", async () => {
    const run = await runSteps(`
      - background: true
        run: exit 3
      - wait-all:
        continue-on-error: true
      - run: echo goes on`);
    expect(run.fates).toEqual({ "job/1": "failure", "job/2": "failure/success", "job/3": "success" });
    expect(run.outcome.conclusion).toBe("success");
  });

  it("that nothing waits for is waited for before the posts, and its failure is the job's", async () => {
    const run = await runSteps(
      `
      - uses: actions/checkout@v4
      - uses: ./a
      - background: true
        run: |
          ${until("end")}
          echo late
          exit 1
      - run: echo last
      - run: touch end`,
      { files: POST_ACTION },
    );
    expect(run.lines.filter((line) => ["late", "last"].includes(line) || line.startsWith("post"))).toEqual([
      "last",
      "late",
      "post failure",
    ]);
    expect(run.fates).toMatchObject({ "job/3": "failure", "job/wait-all": "failure", "job/post-2": "success" });
    expect(run.outcome.conclusion).toBe("failure");
  });

  it("whose condition is false is skipped, and nothing waits for it", async () => {
    const run = await runSteps(`
      - id: side
        if: \${{ false }}
        background: true
        run: echo never
      - wait: side
      - run: echo "[\${{ steps.side.outcome }}]"`);
    expect(run.fates).toEqual({ "job/1": "skipped", "job/2": "success", "job/3": "success" });
    expect(run.lines).toContain("[skipped]");
  });

  it("may be a composite action, whose later steps see what its earlier ones set", async () => {
    const run = await runSteps(
      `
      - uses: actions/checkout@v4
      - id: side
        uses: ./c
        background: true
      - run: |
          ${until("inside")}
          echo "outside [$INNER]"
      - wait: side
      - run: echo "after [$INNER] \${{ steps.side.outputs.result }}"`,
      {
        files: {
          "c/action.yml": `
name: c
description: d
outputs: { result: { description: d, value: "\${{ steps.s.outputs.x }}" } }
runs:
  using: composite
  steps:
    - run: echo "INNER=set" >> "$GITHUB_ENV"
      shell: bash
    - id: s
      run: |
        echo "inside [$INNER]"
        echo "x=out" >> "$GITHUB_OUTPUT"
        touch inside
      shell: bash
`,
        },
      },
    );
    expect(run.lines).toEqual(expect.arrayContaining(["inside [set]", "outside []", "after [set] out"]));
  });

  it("runs its post as if it had run in its turn, with what later steps have set", async () => {
    const run = await runSteps(
      `
      - uses: actions/checkout@v4
      - uses: ./a
        with: { n: first }
      - uses: ./a
        background: true
        env: { SEEN: "\${{ steps.later.outputs.x }}" }
        with: { n: second }
      - uses: ./a
        with: { n: third }
      - id: later
        run: echo "x=seen" >> "$GITHUB_OUTPUT"`,
      { files: POST_ACTION },
    );
    expect(run.lines.filter((line) => line.startsWith("post"))).toEqual([
      "post success third",
      "post success second seen",
      "post success first",
    ]);
  });

  it("is one of at most ten at once; an eleventh waits for a place", async () => {
    const side = `
      - background: true
        run: |
          touch "started-$$"
          ${until("go")}`;
    const run = await runSteps(`${side.repeat(10)}
      - id: eleventh
        background: true
        run: touch eleventh
      - run: |
          until test "$(ls started-* | wc -l)" = 10; do sleep 0.01; done
          test ! -e eleventh
          touch go
          ${until("eleventh")}
      - wait-all:`);
    expect(run.outcome.conclusion).toBe("success");
    const started = run.events.findIndex((event) => event.type === "step_started" && event.step === "11");
    const ended = run.events.findIndex((event) => event.type === "step_completed" && Number(event.step) <= 10);
    expect(started).toBeGreaterThan(ended);
  });

  it("hides in every log what one of them masks", async () => {
    const directory = await mkdtemp(join(tmpdir(), "hearth-mask-"));
    try {
      const run = await runSteps(
        `
      - background: true
        run: |
          echo "::add-mask::a-masked-word"
          echo masked
      - run: |
          until test -e "$DIRECTORY/heard"; do sleep 0.01; done
          echo "see a-masked-word"`,
        {
          env: { DIRECTORY: directory },
          onEvent: (event) => {
            if (event.type === "log" && event.line === "masked") void writeFile(join(directory, "heard"), "");
          },
        },
      );
      expect(run.lines).toContain("see ***");
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("keeps its log, annotations and matcher state apart from the steps beside it", async () => {
    const run = await runSteps(`
      - background: true
        run: |
          echo "::group::mine"
          touch open
          ${until("beside")}
          echo "::stop-commands::resume-token"
          echo "::warning::not one"
      - run: |
          ${until("open")}
          echo "::warning::one"
          touch beside`);
    expect(run.annotations).toEqual(["warning: one"]);
    const lines = run.events.filter((event) => event.type === "log" && event.line.startsWith("::warning::"));
    expect(lines).toMatchObject([{ step: "1", line: "::warning::not one" }]);
  });
});

describe("cancel", () => {
  it("ends a step in the background, which fails nothing", async () => {
    const run = await runSteps(`
      - id: server
        background: true
        run: |
          trap 'echo asked to stop; exit 7' INT
          touch up
          while :; do sleep 0.01; done
      - run: ${until("up")}
      - cancel: SERVER
      - run: echo "\${{ steps.server.outcome }} \${{ job.status }}"
      - wait: server`);
    expect(run.fates).toEqual({
      "job/1": "cancelled",
      "job/2": "success",
      "job/3": "success",
      "job/4": "success",
      "job/5": "success",
    });
    expect(run.lines).toContain("asked to stop");
    expect(run.lines).toContain("cancelled success");
    expect(run.outcome.conclusion).toBe("success");
  });

  it("goes down the whole ladder for one that does not listen, with all it started", async () => {
    const run = await runSteps(`
      - id: deaf
        background: true
        run: |
          trap '' INT TERM
          sleep 300 &
          echo $! > pid
          touch up
          while :; do sleep 0.05; done
      - run: ${until("up")}
      - cancel: deaf
      - run: ${untilGone("pid")}`);
    expect(run.fates["job/1"]).toBe("cancelled");
    expect(run.outcome.conclusion).toBe("success");
  });

  it("ends a composite whatever its later steps say", async () => {
    const run = await runSteps(
      `
      - uses: actions/checkout@v4
      - id: side
        uses: ./c
        background: true
      - run: ${until("up")}
      - cancel: side`,
      {
        files: {
          "c/action.yml":
            "name: c\ndescription: d\nruns:\n  using: composite\n  steps:\n    - run: touch up; sleep 300\n      shell: bash\n    - run: sleep 300\n      if: always()\n      shell: bash\n",
        },
      },
    );
    expect(run.fates["job/2"]).toBe("cancelled");
    expect(run.outcome.conclusion).toBe("success");
  });

  it("of a step that has failed before it fails the job, after its last step", async () => {
    const run = await runSteps(`
      - id: server
        background: true
        run: |
          echo $$ > pid
          exit 1
      - run: ${untilGone("pid")}
      - cancel: server
      - run: echo "\${{ steps.server.outcome }} \${{ job.status }}"`);
    expect(run.fates).toMatchObject({ "job/1": "failure", "job/3": "success", "job/wait-all": "failure" });
    expect(run.lines).toContain("failure success");
    expect(run.outcome.conclusion).toBe("failure");
  });

  it("of one that waits for a place keeps it from starting, and it has its fate", async () => {
    const side = `
      - background: true
        run: ${until("go")}`;
    const run = await runSteps(`${side.repeat(10)}
      - id: eleventh
        background: true
        run: echo never
      - cancel: eleventh
      - run: touch go`);
    expect(run.fates["job/11"]).toBe("cancelled");
    expect(run.lines).not.toContain("never");
    expect(run.outcome).toMatchObject({ conclusion: "success", counts: { declared: 13, ran: 12, cancelled: 1 } });
  });

  it("of a step that was never started does nothing", async () => {
    const run = await runSteps(`
      - id: plain
        run: echo plain
      - cancel: plain
      - wait: plain`);
    expect(run.outcome.conclusion).toBe("success");
  });
});

describe("parallel", () => {
  it("runs its steps side by side and goes on when all have ended", async () => {
    const run = await runSteps(`
      - parallel:
          - id: a
            run: |
              touch a
              ${until("b")}
              echo "x=from a" >> "$GITHUB_OUTPUT"
          - id: b
            run: |
              touch b
              ${until("a")}
              echo "Y=from b" >> "$GITHUB_ENV"
      - run: echo "\${{ steps.a.outputs.x }}, $Y"`);
    expect(run.lines).toContain("from a, from b");
    expect(run.fates).toEqual({ "job/1": "success", "job/2": "success", "job/3": "success", "job/4": "success" });
    expect(run.outcome.counts.declared).toBe(4);
  });

  it("fails when one fails, after the others have ended", async () => {
    const run = await runSteps(`
      - parallel:
          - run: |
              echo $$ > pid
              exit 1
          - run: |
              ${untilGone("pid")}
              echo all the same
      - run: echo never
      - if: always()
        run: echo \${{ job.status }}`);
    expect(run.lines).toContain("all the same");
    expect(run.fates).toEqual({
      "job/1": "failure",
      "job/2": "failure",
      "job/3": "success",
      "job/4": "skipped",
      "job/5": "success",
    });
    expect(run.outcome.conclusion).toBe("failure");
  });
});

describe("a job with steps in the background", () => {
  const server = `
      - id: server
        background: true
        if: always()
        run: |
          touch up
          while :; do sleep 0.01; done`;

  it("ends them when it is cancelled, and waits and always() steps still run", async () => {
    const run = await runSteps(
      `${server}
      - run: |
          ${until("up")}
          echo ready
          sleep 300
      - wait: server
      - run: echo never
      - if: always()
        run: echo "status \${{ job.status }}"`,
      { onEvent: (event, abort) => void (event.type === "log" && event.line === "ready" && abort.cancel()) },
    );
    expect(run.fates).toEqual({
      "job/1": "cancelled",
      "job/2": "cancelled",
      "job/3": "cancelled",
      "job/4": "cancelled",
      "job/5": "success",
    });
    expect(run.lines).toContain("status cancelled");
    expect(run.outcome).toMatchObject({ conclusion: "cancelled", error: undefined });
  });

  it("is cancelled when only they are still running", async () => {
    const run = await runSteps(server, {
      onEvent: (event, abort) => void (event.type === "step_started" && event.step === "wait-all" && abort.cancel()),
    });
    expect(run.outcome).toMatchObject({ conclusion: "cancelled", error: undefined });
  });

  it("kills them when the run is ended at once, also those that wait for a place", async () => {
    const run = await runSteps(
      `${server.replace("id: server", "name: s").repeat(12)}\n      - run: echo ready; sleep 300\n      - run: echo never`,
      {
        onEvent: (event, abort) => void (event.type === "log" && event.line === "ready" && abort.kill()),
      },
    );
    expect(run.outcome).toMatchObject({
      conclusion: "cancelled",
      error: undefined,
      counts: { declared: 14, ran: 11, cancelled: 3 },
    });
  });
});

describe("a run in which only waits ran", () => {
  it("is no success, because nothing did anything", async () => {
    const run = await runSteps(`
      - parallel:
          - { run: echo never, if: false }
      - { run: echo never, if: false, background: true }
      - wait-all:`);
    expect(Object.values(run.fates).toSorted()).toEqual(["skipped", "skipped", "success", "success"]);
    expect(run.outcome).toMatchObject({ conclusion: "skipped", error: undefined });
  });
});

describe("a machine that is lost", () => {
  it("leaves each step with one fate, also those that run in the background or wait for a place", async () => {
    const run = await runSteps(
      `${"\n      - { background: true, run: serve }".repeat(12)}\n      - run: last\n      - run: never`,
      {
        provider: fakeProvider({
          dieDuringExec: 11,
          script: ({ write }) => (write[0]?.content === "serve" ? { untilSignal: () => ({ signal: "SIGINT" }) } : {}),
        }),
      },
    );
    const { outcome, fates } = run;
    expect(outcome).toMatchObject({ conclusion: "failure", error: { code: "MACHINE_LOST" } });
    expect(outcome.counts).toEqual({ declared: 14, ran: 11, skipped: 0, notReached: 3, cancelled: 0 });
    expect(fates["job/1"]).toBe("failure");
    expect(fates["job/11"]).toBe("not_reached");
    expect(run.events.at(-1)?.type).toBe("run_completed");
  });

  it("by a process in the background that cannot be ended stops the steps beside it", async () => {
    let heard = 0;
    const deaf = { untilSignal: () => ((heard += 1) > 3 ? { signal: "SIGKILL" } : undefined) };
    const serve = { untilSignal: () => ({ signal: "SIGINT" }) };
    const run = await runSteps(
      `
      - { background: true, run: deaf, id: deaf }
      - { background: true, run: serve }
      - run: quick
      - cancel: deaf
      - run: never`,
      {
        ladder: { interruptMs: 1, terminateMs: 1, killMs: 20 },
        provider: fakeProvider({
          script: ({ write }) =>
            new Map([
              ["deaf", deaf],
              ["serve", serve],
            ]).get(write[0]?.content ?? ""),
        }),
      },
    );
    expect(run.outcome).toMatchObject({ conclusion: "failure", error: { code: "MACHINE_LOST" } });
    expect(run.fates).toEqual({
      "job/1": "failure",
      "job/2": "cancelled",
      "job/3": "success",
      "job/4": "failure",
      "job/5": "not_reached",
    });
  });
});

const POST_ACTION = {
  "a/action.yml":
    "name: a\ndescription: d\ninputs: { n: { description: d }, status: { description: d, default: '${{ job.status }}' } }\nruns: { using: node24, main: main.js, post: post.js }",
  "a/main.js": "",
  "a/post.js":
    "console.log(['post', process.env.INPUT_STATUS, process.env.INPUT_N, process.env.SEEN].filter(Boolean).join(' '))",
};
