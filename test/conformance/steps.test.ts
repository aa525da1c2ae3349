/** What steps are owed: conditions, results, environment, command files, posts. Each case names its rule in ACTIONS-CONTRACT. */
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runYaml } from "../run-yaml.ts";
import type { YamlRunOptions } from "../run-yaml.ts";

interface Case {
  readonly rule: string;
  readonly steps: string;
  readonly options?: YamlRunOptions;
  readonly conclusion?: string;
  readonly fates?: readonly string[];
  readonly lines?: readonly string[];
  readonly annotations?: readonly string[];
}

const CASES: readonly Case[] = [
  {
    rule: "3.3: a step after a failure is skipped unless its condition calls a status function",
    steps: `
      - run: exit 3
      - run: echo plain
      - if: \${{ failure() }}
        run: echo failure
      - if: success() || failure()
        run: echo either
      - if: always()
        run: echo \${{ job.status }}`,
    conclusion: "failure",
    fates: ["failure", "skipped", "success", "success", "success"],
    lines: ["##[error]Process completed with exit code 3.", "failure", "either", "failure"],
  },
  {
    rule: "3.4: continue-on-error gives outcome failure and conclusion success, and the job goes on",
    steps: `
      - id: tried
        continue-on-error: true
        run: exit 1
      - run: echo \${{ steps.tried.outcome }} \${{ steps.tried.conclusion }} \${{ job.status }}`,
    conclusion: "success",
    fates: ["failure/success", "success"],
    lines: ["##[error]Process completed with exit code 1.", "failure success success"],
  },
  {
    rule: "3.4: continue-on-error may be an expression over what the step left behind",
    steps: `
      - id: tried
        continue-on-error: \${{ vars.TOLERATE == 'yes' }}
        run: exit 1`,
    options: { vars: { TOLERATE: "no" } },
    conclusion: "failure",
    fates: ["failure"],
  },
  {
    rule: "1.4: skipped steps appear in the steps context",
    steps: `
      - id: never
        if: false
        run: echo never
      - run: echo "\${{ steps.never.outcome }} \${{ steps.never.conclusion }} [\${{ steps.never.outputs.x }}]"`,
    fates: ["skipped", "success"],
    lines: ["skipped skipped []"],
  },
  {
    rule: "3.1: the default shell stops at the first failure and has no pipefail; explicit bash has it",
    steps: `
      - run: |
          false | true
          echo default goes on
      - shell: bash
        run: |
          false | true
          echo never`,
    conclusion: "failure",
    fates: ["success", "failure"],
    lines: ["default goes on", "##[error]Process completed with exit code 1."],
  },
  {
    rule: "3.1: python and custom shells",
    steps: `
      - shell: python3 {0}
        run: print(6 * 7)
      - shell: perl {0}
        run: print "perl\\n"`,
    fates: ["success", "success"],
    lines: ["42", "perl"],
  },
  {
    rule: "1.1: later layers of the environment win, and GITHUB_* cannot be set",
    steps: `
      - run: echo "LAYER=file" >> "$GITHUB_ENV"
      - run: echo $LAYER $GITHUB_JOB \${{ env.LAYER }}
      - env:
          LAYER: step
          GITHUB_JOB: mine
          GITHUB_FOO: passes
        run: echo $LAYER $GITHUB_JOB $GITHUB_FOO`,
    lines: ["file job file", "step job passes"],
  },
  {
    rule: "1.1: the newest GITHUB_PATH entry comes first",
    steps: `
      - run: |
          echo /first >> "$GITHUB_PATH"
          echo /second >> "$GITHUB_PATH"
      - run: |
          echo "$PATH" | cut -d: -f1,2`,
    lines: ["/second:/first"],
  },
  {
    rule: "2.1: a malformed output line fails the step after exit 0 and keeps the pairs before it",
    steps: `
      - id: broken
        continue-on-error: true
        run: |
          echo "good=kept" >> "$GITHUB_OUTPUT"
          echo "no delimiter here" >> "$GITHUB_OUTPUT"
          echo "late=lost" >> "$GITHUB_OUTPUT"
      - run: echo "[\${{ steps.broken.outputs.good }}] [\${{ steps.broken.outputs.late }}] \${{ steps.broken.outcome }}"`,
    fates: ["failure/success", "success"],
    lines: [
      "##[error]Unable to process file command 'output' successfully.",
      "##[error]Invalid format 'no delimiter here'",
      "[kept] [] failure",
    ],
  },
  {
    rule: "2.1: NODE_OPTIONS is refused in GITHUB_ENV, other pairs apply, the step does not fail",
    steps: `
      - run: |
          echo "NODE_OPTIONS=--inspect" >> "$GITHUB_ENV"
          echo "OTHER=yes" >> "$GITHUB_ENV"
      - run: echo "[$NODE_OPTIONS] $OTHER"`,
    options: { env: {} },
    fates: ["success", "success"],
    lines: ["##[error]Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV' command.", "[] yes"],
  },
  {
    rule: "2.1: multi-line values through a delimiter",
    steps: `
      - id: text
        run: printf 'body<<EOF\\none\\ntwo\\nEOF\\n' >> "$GITHUB_OUTPUT"
      - env:
          BODY: \${{ steps.text.outputs.body }}
        run: echo "$BODY" | wc -l | tr -d ' '`,
    lines: ["2"],
  },
  {
    rule: "2.2: set-env is disabled and fails the step",
    steps: `
      - run: echo "::set-env name=EVIL::1"
      - if: always()
        run: echo "[$EVIL]"`,
    conclusion: "failure",
    fates: ["failure", "success"],
  },
  {
    rule: "2.2: annotations carry their level and message",
    steps: `
      - run: |
          echo "::notice::look here"
          echo "::warning file=a.js,line=3::careful"
          echo "text ##[error]mid line"`,
    annotations: ["notice: look here", "warning: careful", "error: mid line"],
  },
  {
    rule: "2.2: stop-commands until the token",
    steps: `
      - run: |
          echo "::stop-commands::pause-here"
          echo "::warning::not one"
          echo "::pause-here::"
          echo "::warning::one"`,
    annotations: ["warning: one"],
  },
  {
    rule: "2.5: a secret is hidden wherever it is printed, and in the preamble",
    steps: `
      - run: |
          echo "key \${{ secrets.API_KEY }}"
          printf '%s' "$KEY" | base64
        env:
          KEY: \${{ secrets.API_KEY }}
      - run: |
          echo "::add-mask::later-value"
          echo "now later-value"`,
    options: { secrets: { API_KEY: "hunter2-hunter2" } },
    lines: ["key ***", "***", "now ***"],
  },
  {
    rule: "3.3: an expression that cannot be evaluated in `if` fails the step",
    steps: `
      - if: \${{ fromJSON('{') }}
        run: echo never
        continue-on-error: true`,
    conclusion: "failure",
    fates: ["failure"],
  },
  {
    rule: "3.2: stdin is closed",
    steps: `
      - run: cat | wc -c | tr -d ' '`,
    lines: ["0"],
  },
  {
    rule: "3.1: working-directory is relative to the workspace and must exist",
    steps: `
      - run: mkdir sub
      - working-directory: sub
        run: basename "$PWD"
      - working-directory: missing
        run: echo never`,
    conclusion: "failure",
    fates: ["success", "success", "failure"],
  },
  {
    rule: "1.5: hashFiles reads the workspace when the step's turn comes",
    steps: `
      - run: printf 'abc' > a.txt
      - run: echo \${{ hashFiles('*.txt') }} \${{ hashFiles('none') == '' }}`,
    // SHA-256 of the SHA-256 digest of "abc".
    lines: ["4f8b42c22dd3729b519ba6f68d2da7cc5b2d606d05daed5ad5128cc03e6c6358 true"],
  },
  {
    rule: "1.2: CI and GITHUB_ACTIONS are true, and CI may be overridden",
    steps: `
      - run: echo $GITHUB_ACTIONS
      - env:
          CI: mine
        run: echo $CI`,
    lines: ["true", "mine"],
  },
];

describe("steps", () => {
  it.each(CASES)("$rule", async ({ rule: _rule, steps, options, conclusion = "success", ...expected }) => {
    const run = await runYaml(`on: push\njobs:\n  job:\n    runs-on: ubuntu-latest\n    steps:${steps}\n`, options);
    expect(run.outcome.error).toBeUndefined();
    const { lines, annotations } = run;
    const seen = { conclusion: run.outcome.conclusion, fates: Object.values(run.fates), lines, annotations };
    expect(seen).toMatchObject({ conclusion, ...expected });
  });
});

const only = (steps: string): string => `on: push\njobs:\n  job:\n    runs-on: ubuntu-latest\n    steps:${steps}\n`;

describe("a shell", () => {
  it("that the machine does not have is named by the error (3.1)", async () => {
    const run = await runYaml(only("\n      - { run: echo never, shell: 'pwsh-preview -File {0}' }"));
    expect(run.annotations).toEqual(["error: No such program: pwsh-preview"]);
  });

  it("is sh where no bash is found and none was asked for (3.1)", async () => {
    const directory = await mkdtemp(join(tmpdir(), "hearth-shell-"));
    try {
      for (const program of ["sh", "cat"]) await symlink(`/bin/${program}`, join(directory, program));
      const run = await runYaml(
        only(`
      - run: echo as ever
      - env: { PATH: ${directory} }
        run: |
          echo without bash
          false
          echo never
      - if: always()
        env: { PATH: ${directory} }
        shell: bash
        run: echo never`),
      );
      expect(run.fates).toEqual({ "job/1": "success", "job/2": "failure", "job/3": "failure" });
      expect(run.lines).toEqual([
        "as ever",
        "bash was not found, so sh runs the script.",
        "without bash",
        "##[error]Process completed with exit code 1.",
        "##[error]No such program: bash",
      ]);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("is not looked for again when it is the directory that is missing, which the error names (3.1)", async () => {
    const run = await runYaml(only("\n      - { run: echo never, working-directory: not/there }"));
    expect(run.annotations).toHaveLength(1);
    expect(run.annotations[0]).toMatch(/^error: No such directory: .*\/not\/there$/);
  });
});

describe("debug logging", () => {
  const yaml = only(`
      - name: greet
        run: |
          echo "::debug::said"
          echo "\${RUNNER_DEBUG:-absent} \${{ runner.debug || 'absent' }}"
          echo "NAME=hunter2-hunter2" >> "$GITHUB_ENV"
      - if: env.NAME == 'other' || 'hunter2-hunter2' == 'x'
        run: echo never`);
  const secrets = { ACTIONS_STEP_DEBUG: "true", KEY: "hunter2-hunter2" };

  it("shows debug commands, conditions with their results, and what was set, masked (1.2, 2.2)", async () => {
    const run = await runYaml(yaml, { debug: true, secrets });
    expect(run.lines).toEqual(
      expect.arrayContaining([
        "##[debug]Evaluating condition for step: 'greet'",
        "##[debug]Evaluating: success()",
        "##[debug]Result: true",
        "##[debug]said",
        "1 1",
        "##[debug]NAME='***'",
        "##[debug]Evaluating: success() && (env.NAME == 'other' || '***' == 'x')",
        "##[debug]Result: false",
      ]),
    );
    expect(JSON.stringify(run.events)).not.toContain("hunter2");
  });

  it("is absent otherwise", async () => {
    const run = await runYaml(yaml, { secrets });
    expect(run.lines).toEqual(["absent absent"]);
  });
});

describe("an error in the environment of a step", () => {
  it("fails the step, and continue-on-error is not asked (3.3)", async () => {
    const run = await runYaml(
      only("\n      - { run: echo never, continue-on-error: true, env: { A: \"${{ fromJSON('{') }}\" } }"),
    );
    expect(run.fates).toEqual({ "job/1": "failure" });
    expect(run.outcome.conclusion).toBe("failure");
  });
});
