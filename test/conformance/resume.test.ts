/** A job that goes on from a checkpoint: what was before it is there, and is not done again. */
import { afterEach, describe, expect, it } from "vitest";
import type { ExecRequest } from "../../src/protocol/agent-api.ts";
import { fakeProvider } from "../../src/provider/fake/provider.ts";
import type { FakeKnobs, FakeProvider } from "../../src/provider/fake/provider.ts";
import { memoryCheckpoints } from "../memory-checkpoints.ts";
import type { CheckpointFaults, MemoryCheckpoints } from "../memory-checkpoints.ts";
import { runYaml } from "../run-yaml.ts";
import type { YamlRunOptions } from "../run-yaml.ts";

const made: MemoryCheckpoints[] = [];
const providers: FakeProvider[] = [];

afterEach(async () => {
  await Promise.all(made.splice(0).map((checkpoints) => checkpoints[Symbol.asyncDispose]()));
  const left = providers.splice(0).flatMap(({ live }) => [...live]);
  if (left.length > 0) throw new Error(`machines are left: ${left.join(", ")}`);
});

function checkpointsFor(when: "auto" | "steps" = "steps", faults: CheckpointFaults = {}): MemoryCheckpoints {
  const checkpoints = memoryCheckpoints(when, faults);
  made.push(checkpoints);
  return checkpoints;
}

function machines(knobs: FakeKnobs = {}): FakeProvider {
  const provider = fakeProvider(knobs);
  providers.push(provider);
  return provider;
}

/** Obeys scripts of lines such as `env NAME=value`, `output NAME=value`, `path /dir`, `mask text`, `fail`, `file /path text`. */
const obey: NonNullable<FakeKnobs["script"]> = (request, { files }) => {
  const script = files.get(request.argv.at(-1) ?? "")?.toString() ?? "";
  const append = (variable: string, line: string): void => {
    const path = request.env[variable] ?? "";
    files.set(path, Buffer.from(`${files.get(path)?.toString() ?? ""}${line}\n`));
  };
  const said: string[] = [];
  let code = 0;
  for (const line of script.split("\n")) {
    const verb = line.slice(0, line.indexOf(" "));
    const rest = line.slice(verb.length + 1);
    if (verb === "env") append("GITHUB_ENV", rest);
    if (verb === "output") append("GITHUB_OUTPUT", rest);
    if (verb === "path") append("GITHUB_PATH", rest);
    if (verb === "say") said.push(rest);
    if (verb === "mask") said.push(`::add-mask::${rest}`);
    if (verb === "file") files.set(rest.split(" ")[0] ?? "", Buffer.from(rest.split(" ")[1] ?? ""));
    if (line === "fail") code = 1;
  }
  return { code, output: [["stdout", said.map((text) => `${text}\n`).join("")]] };
};

/** As `obey`; the action's main saves something for its post. */
const savingMain: NonNullable<FakeKnobs["script"]> = (request, machine) => {
  const path = request.env["GITHUB_STATE"] ?? "";
  if (request.argv.some((word) => word.endsWith("main.js"))) machine.files.set(path, Buffer.from("left=behind\n"));
  return obey(request, machine);
};

const WORKFLOW = `
on: push
env: { FROM_WORKFLOW: w }
jobs:
  build:
    runs-on: ubuntu-latest
    outputs: { kept: "\${{ steps.first.outputs.name }}" }
    steps:
      - id: first
        run: |
          output name=value
          env FROM_STEP=s
          path /opt/mine
          mask hidden-thing
          file /home/runner/work/kept yes
      - run: say second
      - id: third
        run: |
          say hidden-thing \${{ steps.first.outputs.name }} \${{ env.FROM_STEP }} \${{ env.FROM_WORKFLOW }}
          fail
      - if: failure()
        run: say cleanup
  after:
    needs: build
    runs-on: ubuntu-latest
    steps: [{ run: "say \${{ needs.build.outputs.kept }}" }]`;
const FIXED = WORKFLOW.replace("          fail\n", "");

async function failed(options: YamlRunOptions = {}) {
  const checkpoints = checkpointsFor();
  const run = await runYaml(WORKFLOW, { provider: machines({ script: obey }), checkpoints, ...options });
  return { checkpoints, run };
}

function scriptsOf(provider: FakeProvider): readonly ExecRequest[] {
  return provider.provisioned.flatMap(({ execs }) => execs);
}

describe("a run with checkpoints", () => {
  it("has one before each step, says so, and is otherwise the run that it would have been", async () => {
    const plain = await runYaml(WORKFLOW, { provider: machines({ script: obey }) });
    const { checkpoints, run } = await failed();
    expect(checkpoints.kept.map(({ job, step, stepName }) => `${job} ${step} ${stepName}`)).toEqual([
      expect.stringMatching(/^build 1 /),
      "build 2 Run say second",
      expect.stringMatching(/^build 3 /),
      "build 4 Run say cleanup",
    ]);
    expect(run.events.filter(({ type }) => type === "checkpoint")).toHaveLength(4);
    expect(run.fates).toEqual(plain.fates);
    expect(run.lines).toEqual(plain.lines);
  });

  it("takes none while a step runs in the background", async () => {
    const checkpoints = checkpointsFor();
    const yaml = `
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - { run: say background, background: true, id: b }
      - run: say beside
      - wait: b
      - run: say behind`;
    const { promise, resolve } = Promise.withResolvers<void>();
    const provider = machines({
      script: (request, machine) => {
        const answer = obey(request, machine);
        return answer?.output?.[0]?.[1] === "background\n" ? { untilSignal: () => answer } : answer;
      },
    });
    const run = runYaml(yaml, {
      provider,
      checkpoints,
      onEvent(event, abort) {
        if (event.type !== "step_completed" || event.step !== "2") return;
        abort.cancel();
        resolve();
      },
    });
    await promise;
    await run;
    expect(checkpoints.kept.map(({ step }) => step)).toEqual([1]);
  });

  it.each([
    ["the machine cannot be saved", { failSave: 2 }, {}],
    ["there is no room for it", {}, { failBegin: 2 }],
    ["it cannot be put away", {}, { failKeep: 2 }],
  ])("goes on without them when %s", async (_, knobs, faults) => {
    const checkpoints = checkpointsFor("steps", faults);
    const run = await runYaml(FIXED, { provider: machines({ script: obey, ...knobs }), checkpoints });
    expect(run.outcome.conclusion).toBe("success");
    const failures = run.events.filter((event) => event.type === "checkpoint_failed" && event.job === "build");
    expect(failures).toMatchObject([{ before: 2 }]);
    expect(checkpoints.kept.filter(({ job }) => job === "build")).toHaveLength(1);
  });

  it("ends with the machine that is lost while it is saved", async () => {
    const provider = machines({ script: obey, dieDuringSave: 2 });
    const run = await runYaml(FIXED, { provider, checkpoints: checkpointsFor() });
    expect(run.outcome.error?.code).toBe("MACHINE_LOST");
    expect(run.events.find(({ type }) => type === "machine_lost")).toMatchObject({ cause: "killed" });
    expect(run.fates).toMatchObject({ "build/1": "success", "build/2": "not_reached" });
  });

  it("takes them of itself when twenty times their cost has passed, and not while a connection is open", async () => {
    let clockMs = 0;
    const provider = machines({
      script: (request, machine) => {
        clockMs += 3_000;
        return obey(request, machine);
      },
    });
    const checkpoints = checkpointsFor("auto");
    await runYaml(FIXED, { provider, checkpoints, now: () => clockMs });
    // 250 ms is what one is taken to cost before there was one: due after 5 s, and then they cost nothing on this clock.
    expect(checkpoints.kept.map(({ job, step }) => `${job} ${step}`)).toEqual(["build 3", "build 4"]);
  });
});

describe("a run that goes on from a checkpoint", () => {
  it("has everything that was there, does nothing of it again, and names where it comes from", async () => {
    const { checkpoints } = await failed();
    const provider = machines({ script: obey });
    const run = await runYaml(FIXED, { provider, resumption: checkpoints.resumption(3) });
    expect(run.outcome.conclusion).toBe("success");
    expect(run.fates).toEqual({
      "build/1": "skipped",
      "build/2": "skipped",
      "build/3": "success",
      "build/4": "skipped",
      "after/1": "success",
    });
    expect(run.events[0]).toMatchObject({ from: { run: checkpoints.kept[0]?.run, job: "build", step: 3 } });
    expect(run.lines).toEqual(["*** value s w", "value"]);
    expect(run.outputs).toMatchObject({ build: { kept: "value" } });
    const [machine] = provider.provisioned;
    expect(machine?.files.get("/home/runner/work/kept")?.toString()).toBe("yes");
    expect(scriptsOf(provider)[0]?.env).toMatchObject({ FROM_STEP: "s", PATH: expect.stringMatching(/^\/opt\/mine:/) });
  });

  it("can be gone on from itself, and any number of times from one checkpoint", async () => {
    const { checkpoints } = await failed();
    const again = checkpointsFor();
    const resumption = checkpoints.resumption(2);
    for (let round = 0; round < 2; round += 1) {
      await runYaml(WORKFLOW, { provider: machines({ script: obey }), resumption, checkpoints: again });
    }
    const run = await runYaml(FIXED, { provider: machines({ script: obey }), resumption: again.resumption(3) });
    expect(run.outcome.conclusion).toBe("success");
    expect(run.lines).toEqual(["*** value s w", "value"]);
  });

  it("takes jobs that had ended as they ended, and runs the others", async () => {
    const yaml = `
on: push
jobs:
  a: { runs-on: ubuntu-latest, steps: [{ run: fail }] }
  b:
    needs: a
    if: always()
    runs-on: ubuntu-latest
    steps: [{ run: say one }, { run: "say \${{ needs.a.result }}" }]
  c: { needs: b, if: always(), runs-on: ubuntu-latest, steps: [{ run: say last }] }`;
    const checkpoints = checkpointsFor();
    await runYaml(yaml, { provider: machines({ script: obey }), checkpoints });
    const run = await runYaml(yaml, {
      provider: machines({ script: obey }),
      resumption: checkpoints.resumption(2, "b"),
    });
    expect(run.lines).toEqual(["failure", "last"]);
    expect(run.conclusions).toEqual({ a: "failure", b: "success", c: "success" });
    expect(run.outcome.conclusion).toBe("failure");
  });

  it("runs the steps that were asked for, and no post", async () => {
    const { checkpoints } = await failed();
    const resumption = { ...checkpoints.resumption(2), until: 2 };
    const run = await runYaml(FIXED, { provider: machines({ script: obey }), resumption });
    expect(run.lines).toContain("second");
    expect(run.fates).toMatchObject({ "build/1": "skipped", "build/2": "success", "build/3": "skipped" });
    expect(run.conclusions).toMatchObject({ after: "skipped" });
  });

  it("leaves its posts to the end, with what steps before the checkpoint saved for them", async () => {
    const actions = {
      "octo/setup@v1": {
        "action.yml": "name: setup\nruns: { using: node24, main: main.js, post: post.js }",
        "main.js": "",
        "post.js": "",
      },
    };
    const yaml = `
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps: [{ uses: octo/setup@v1 }, { run: say middle }]`;
    const checkpoints = checkpointsFor();
    await runYaml(yaml, { provider: machines({ script: savingMain }), checkpoints, actions });
    const provider = machines({ script: savingMain });
    await runYaml(yaml, { provider, resumption: checkpoints.resumption(2), actions });
    const post = scriptsOf(provider).find(({ argv }) => argv.some((word) => word.endsWith("post.js")));
    expect(post?.env["STATE_left"]).toBe("behind");
    expect(scriptsOf(provider).some(({ argv }) => argv.some((word) => word.endsWith("main.js")))).toBe(false);
  });

  it("is refused by a machine of another provider", async () => {
    const { checkpoints } = await failed();
    const resumption = checkpoints.resumption(3);
    const other = { ...resumption, machine: { ...resumption.machine, provider: "gvisor" } };
    const run = await runYaml(FIXED, { provider: machines({ script: obey }), resumption: other });
    expect(run.outcome).toMatchObject({ conclusion: "failure", error: { code: "CHECKPOINT_UNUSABLE" } });
    expect(run.fates).toMatchObject({ "build/3": "not_reached" });
  });
});
