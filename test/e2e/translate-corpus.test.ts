/**
 * A real repository whose steps a model has to translate, with everything against it: no action is kept, there is no network, the
 * model's server bears one request at a time and fails three of ten. The workflows are those of terraphim/terraphim-ai; a file among
 * them is no YAML, and GitHub refuses it as well.
 */
import { execFileSync } from "node:child_process";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { FakeModelServer, ModelMode } from "../model/fake-model-server.ts";
import { startFakeModel } from "../model/fake-model-server.ts";
import { sandbox } from "../run-hearth.ts";
import type { Sandbox } from "../run-hearth.ts";
import { sharedData } from "../shared-data.ts";

const { files, folder, suffix } = sharedData("corpus/terraphim+terraphim-ai/workflows/");
/** Some fifty commands in all. */
const LONG = { timeout: 900_000 };
const BROKEN = ".github/workflows/sentrux-quality-gate.yml";

/** Together they start every one of the workflows; an input that one requires is one that others do not know. */
const EVENTS: readonly (readonly string[])[] = [
  ["push"],
  ["pull_request"],
  ["workflow_dispatch"],
  ["workflow_dispatch", "--input", "version=1.0.0"],
  ["workflow_call"],
  ["issue_comment"],
  ["release", "--event-file", "../release.json"],
];

interface PlannedStep {
  readonly way: { readonly kind: string; readonly what?: string; readonly by?: unknown };
}

interface PlanDocument {
  readonly workflows: readonly {
    readonly path: string;
    readonly status: "planned" | "not_triggered" | "refused";
    readonly declaredSteps?: number;
    readonly heldSteps?: number;
    readonly jobs?: readonly { readonly steps: readonly PlannedStep[] }[];
  }[];
}

/** Three of ten, each in another way. */
function failing(request: number): ModelMode {
  const faults: { readonly [last: number]: ModelMode } = { 2: "refused", 5: "error-500", 8: "cut" };
  return faults[request % 10] ?? "good";
}

function startWeakModel(): Promise<FakeModelServer> {
  return startFakeModel({ bears: 1, excess: "reset", answerAfterMs: 10, mode: failing });
}

async function project(place: Sandbox): Promise<string> {
  const directory = join(place.directory, "project");
  await mkdir(join(directory, ".github"), { recursive: true });
  await cp(folder, join(directory, ".github", "workflows"), { recursive: true });
  execFileSync("git", ["init", "-q", "-b", "main", directory]);
  await writeFile(join(place.directory, "release.json"), '{ "action": "created" }');
  return directory;
}

function environment(url: string): Record<string, string> {
  return {
    LLM_PROVIDER: "openai",
    LLM_BASE_URL: `${url}/v1`,
    LLM_MODEL: "fake",
    GITHUB_SERVER_URL: "http://127.0.0.1:9",
  };
}

/** What is printed, for each event. */
async function planAll(place: Sandbox, cwd: string, env: Record<string, string>): Promise<readonly string[]> {
  const texts: string[] = [];
  for (const [event = "", ...flags] of EVENTS) {
    const { stdout, stderr } = await place.run(["plan", "--translate", "--json", "--event", event, ...flags], {
      cwd,
      env,
    });
    expect(stderr).toBe("");
    texts.push(stdout);
  }
  return texts;
}

function plannedOf(texts: readonly string[]): PlanDocument["workflows"] {
  const documents = texts.map((text): PlanDocument => JSON.parse(text));
  return documents.flatMap(({ workflows }) => workflows.filter(({ status }) => status === "planned"));
}

function stepsOf(workflows: PlanDocument["workflows"]): readonly PlannedStep[] {
  return workflows.flatMap(({ jobs = [] }) => jobs.flatMap(({ steps }) => steps));
}

describe.skipIf(files.length === 0)(`the workflows of a real repository${suffix}`, () => {
  it(
    "have a way for every step by a weak model; later without one request, and by the lock file without a model",
    LONG,
    async () => {
      await using place = await sandbox();
      const cwd = await project(place);
      await using server = await startWeakModel();
      const first = await planAll(place, cwd, environment(server.url));
      const planned = plannedOf(first);
      const paths = new Set(planned.map(({ path }) => path));
      expect(files.map((file) => `.github/workflows/${file}`).filter((path) => !paths.has(path))).toEqual([BROKEN]);
      const steps = stepsOf(planned);
      expect(steps.filter(({ way }) => way.kind === "unsupported")).toEqual([]);
      expect(planned.filter(({ declaredSteps, heldSteps }) => declaredSteps !== heldSteps)).toEqual([]);
      const byModel = steps.filter(({ way }) => JSON.stringify(way.by ?? "").includes('"kind":"model"')).length;
      process.stdout.write(
        `${planned.length} plans of ${files.length - 1} files, ${steps.length} steps, ${byModel} by the model: ${server.requests} requests, at most ${server.most} at once\n`,
      );
      expect(byModel).toBeGreaterThan(0);

      const asked = server.requests;
      expect(await planAll(place, cwd, environment(server.url))).toEqual(first);
      expect(server.requests).toBe(asked);

      // A lock file is written for all workflows or none.
      await rm(join(cwd, BROKEN));
      const pinning = await place.run(["translate", "--write"], { cwd, env: environment(server.url) });
      expect(pinning).toMatchObject({ exitCode: 0, stderr: "" });
      expect(pinning.stdout).toMatch(/ translations written to .*, 0 without$/mu);
      expect(server.requests).toBe(asked);
      await server[Symbol.asyncDispose]();
      await rm(join(place.directory, "state"), { recursive: true });
      const pinned = await planAll(place, cwd, environment(server.url));
      expect(plannedOf(pinned)).toEqual(planned);
    },
  );

  it(
    "have the same plans, byte for byte, for any number of workflows and requests at the same time",
    LONG,
    async () => {
      const texts: string[] = [];
      for (const concurrency of ["1", "5", "20"]) {
        await using place = await sandbox();
        await using server = await startWeakModel();
        const env = { MAX_CONCURRENT_WORKFLOWS: concurrency, HEARTH_LLM_CONCURRENCY: concurrency };
        const all = await planAll(place, await project(place), { ...environment(server.url), ...env });
        process.stdout.write(`${concurrency} at once: ${server.requests} requests, at most ${server.most} at once\n`);
        expect(stepsOf(plannedOf(all)).filter(({ way }) => way.kind === "unsupported")).toEqual([]);
        texts.push(all.join(""));
      }
      expect(new Set(texts).size).toBe(1);
    },
  );
});
