/** Where runs went wrong before: secrets in reasons, cancels in gaps, timers, refusals, kills, throws. */
import { describe, expect, it } from "vitest";
import { EngineError } from "../../src/lib/engine-error.ts";
import { fakeProvider } from "../../src/provider/fake/provider.ts";
import type { Provider } from "../../src/provider/provider.ts";
import { runYaml } from "../run-yaml.ts";

const SECRET = "hunter2-hunter2";
const steps = (text: string): string => `on: push\njobs:\n  job:\n    runs-on: ubuntu-latest\n    steps:\n${text}\n`;

describe("a secret", () => {
  it.each([
    ["a directory", steps("      - { run: echo, working-directory: '/nope/${{ secrets.S }}' }")],
    ["an expression", steps("      - run: echo ${{ fromJSON(secrets.S) }}")],
    ["a number", steps("      - { run: echo, timeout-minutes: '${{ secrets.S }}' }")],
    ["a step's name", steps("      - { run: echo, name: 'x ${{ secrets.S }}' }")],
    [
      "a job's environment",
      steps("      - run: echo").replace("    steps", "    env: ${{ fromJSON(secrets.S) }}\n    steps"),
    ],
    ["a job's name", steps("      - run: echo").replace("    steps", "    name: ${{ secrets.S }}\n    steps")],
  ])("that stands in %s is in no event", async (_place, yaml) => {
    const run = await runYaml(yaml, { secrets: { S: SECRET } }).catch((error: unknown) => ({
      events: [String(error)],
    }));
    expect(JSON.stringify(run.events)).not.toContain(SECRET);
  });

  it("is not quoted in part by an error about its text", async () => {
    const long = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOP";
    const run = await runYaml(steps("      - run: echo ${{ fromJSON(secrets.S).x }}"), { secrets: { S: long } });
    expect(run.fates).toEqual({ "job/1": "failure" });
    expect(JSON.stringify(run.events)).not.toContain(long.slice(0, 4));
  });
});

describe("a job's outputs", () => {
  it("fail the job when one cannot be evaluated, as on GitHub, and are none then", async () => {
    const run = await runYaml(
      "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    outputs: { good: x, bad: \"${{ fromJSON(steps.s.outputs.meta).x }}\" }\n    steps:\n      - id: s\n        run: echo 'meta=not json' >> $GITHUB_OUTPUT\n",
    );
    expect(run.conclusions).toEqual({ a: "failure" });
    expect(run.outputs).toEqual({ a: {} });
    expect(run.outcome.conclusion).toBe("failure");
  });
});

describe("a cancel", () => {
  it("that comes between a step's condition and its process stops the step, and the children after it", async () => {
    const run = await runYaml(steps("      - uses: actions/checkout@v4\n      - uses: ./c\n      - run: echo never"), {
      files: {
        "c/action.yml":
          "name: c\ndescription: d\nruns:\n  using: composite\n  steps:\n    - run: echo never\n      shell: bash\n    - run: echo never\n      shell: bash\n",
      },
      onEvent: (event, abort) => {
        if (event.type === "group" && event.title.startsWith("Run ./c")) abort.cancel();
      },
    });
    expect(run.lines).not.toContain("never");
    expect(run.fates).toEqual({ "job/1": "success", "job/2": "cancelled", "job/3": "cancelled" });
  });

  it("takes a job whose condition can then not be evaluated with it, and the run still ends with a record", async () => {
    const run = await runYaml(
      `on: push\njobs:\n  first:\n    runs-on: ubuntu-latest\n    steps: [{ run: echo waiting }]\n  second:\n    if: "!cancelled() || fromJSON('{')"\n    runs-on: ubuntu-latest\n    steps: [{ run: echo never }]\n`,
      { onEvent: (event, abort) => void (event.type === "log" && event.line === "waiting" && abort.cancel()) },
    );
    expect(run.conclusions["second"]).toBe("cancelled");
    expect(run.events.at(-1)?.type).toBe("run_completed");
  });

  it("while the machine is being made is a cancel, whatever the provider says of it", async () => {
    const inner = fakeProvider();
    const provider: Provider = {
      ...inner,
      provision: (_spec, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(new EngineError("MACHINE_START_FAILED", "interrupted")));
        }),
    };
    const run = await runYaml(steps("      - run: echo"), {
      provider,
      onEvent: (event, abort) => {
        if (event.type === "machine_requested") setImmediate(() => abort.kill());
      },
    });
    expect(run.outcome).toMatchObject({ conclusion: "cancelled", error: undefined });
    expect(run.fates).toEqual({ "job/1": "cancelled" });
  });
});

describe("a job's env", () => {
  it("that only the machine shows to be wrong fails the job, and its steps are not reached", async () => {
    const run = await runYaml(
      `on: push\njobs:\n  job:\n    runs-on: ubuntu-latest\n    env: { A: "\${{ github.workspace && fromJSON(vars.X) }}" }\n    steps: [{ run: echo never }]\n`,
      { vars: { X: "{" } },
    );
    expect(run.outcome).toMatchObject({ conclusion: "failure", error: undefined });
    expect(run.fates).toEqual({ "job/1": "not_reached" });
  });
});

describe("a kill", () => {
  it("starts neither the posts that wait nor the jobs that insist", async () => {
    const action = "name: a\ndescription: d\nruns: { using: node24, main: main.js, post: post.js }";
    const run = await runYaml(
      `on: push\njobs:\n  job:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - uses: ./a\n      - uses: ./a\n  next:\n    needs: job\n    if: always()\n    runs-on: ubuntu-latest\n    steps: [{ run: echo never }]\n`,
      {
        files: { "a/action.yml": action, "a/main.js": "", "a/post.js": "console.log('post')" },
        onEvent: (event, abort) => {
          if (event.type === "log" && event.line === "post") abort.kill();
        },
      },
    );
    expect(run.lines.filter((line) => line === "post" || line === "never")).toEqual(["post"]);
    expect(run.fates["next/1"]).toBe("cancelled");
    expect(run.outcome.conclusion).toBe("cancelled");
  });
});

describe("a time limit", () => {
  it("that cannot be evaluated is said, and the step runs without one, as on GitHub", async () => {
    const run = await runYaml(steps('      - { run: echo ran, timeout-minutes: "${{ fromJSON(\'\\"x\\"\') }}" }'));
    expect(run.fates).toEqual({ "job/1": "success" });
    expect(run.annotations[0]).toContain("timeout-minutes");
  });

  it.each(["40000", "0.5", "0", "-1"])("of %s minutes does not end a step or a job at once", async (minutes) => {
    const yaml = steps(`      - { run: sleep 0.1, timeout-minutes: ${minutes} }`);
    const run = await runYaml(yaml.replace("    steps", `    timeout-minutes: ${minutes}\n    steps`));
    expect(run.fates).toEqual({ "job/1": "success" });
    expect(run.outcome.conclusion).toBe("success");
  });
});

describe("a machine in trouble", () => {
  it("that refuses to be cleaned fails that job with its outputs kept, and not the run's other jobs", async () => {
    const run = await runYaml(
      "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    outputs: { o: kept }\n    steps: [{ run: a }]\n  b:\n    runs-on: ubuntu-latest\n    steps: [{ run: b }]\n",
      { provider: fakeProvider({ refuseReset: 2 }) },
    );
    expect(run.conclusions).toEqual({ a: "failure", b: "success" });
    expect(run.outputs["a"]).toEqual({ o: "kept" });
    expect(run.outcome.error).toBeUndefined();
  });

  it("that cannot be destroyed is the run's error, after every job has its record", async () => {
    const inner = fakeProvider();
    const provider: Provider = {
      ...inner,
      provision: async (spec, signal) => {
        const machine = await inner.provision(spec, signal);
        return {
          ...machine,
          [Symbol.asyncDispose]: async () => {
            await machine[Symbol.asyncDispose]();
            throw new Error("it does not go away");
          },
        };
      },
    };
    const run = await runYaml(steps("      - run: echo"), { provider });
    expect(run.fates).toEqual({ "job/1": "success" });
    expect(run.outcome.conclusion).toBe("failure");
    expect(run.outcome.error?.message).toContain("it does not go away");
    expect(run.events.at(-1)?.type).toBe("run_completed");
  });
});

describe("the post of a composite action", () => {
  it("inherits continue-on-error from the step that used it (3.4)", async () => {
    const run = await runYaml(
      steps("      - uses: actions/checkout@v4\n      - { uses: ./c, continue-on-error: true }"),
      {
        files: {
          "c/action.yml": "name: c\ndescription: d\nruns: { using: composite, steps: [{ uses: ./a }] }",
          "a/action.yml": "name: a\ndescription: d\nruns: { using: node24, main: main.js, post: post.js }",
          "a/main.js": "",
          "a/post.js": "process.exit(1)",
        },
      },
    );
    expect(run.fates["job/post-2"]).toBe("failure/success");
    expect(run.outcome.conclusion).toBe("success");
  });
});
