/**
 * What translations cost a plan: the same workflows without any, with rules, with every one pinned in the lock file, and with answers of a model
 * that were kept. The aim is less than a tenth more.
 */
import { execFileSync } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { startFakeModel } from "../test/model/fake-model-server.ts";
import { measure, printTimings } from "./measure.ts";
import type { Contender } from "./measure.ts";

/** Nothing is fetched, so that every run finds the same. */
const OFFLINE = { ...process.env, GITHUB_SERVER_URL: "http://127.0.0.1:9" };

/** All are planned whatever starts them. */
const DISPATCHED = ["--event", "workflow_dispatch"];

/** `good` holds a project whose workflows can all be read. */
export async function measureTranslations(scratch: string, hearth: string, good: string): Promise<void> {
  const project = (name: string): string => {
    const directory = join(scratch, name);
    cpSync(good, directory, { recursive: true });
    // Most of them start on a push to it.
    execFileSync("git", ["symbolic-ref", "HEAD", "refs/heads/main"], { cwd: directory });
    return directory;
  };
  const [plain, pinned] = [project("unpinned"), project("pinned")];
  // What has no translation is its exit code, and of no matter here.
  const argv = [process.execPath, hearth, "translate", "--write"];
  execFileSync("sh", ["-c", '"$@" > translate.log 2>&1 || true', "sh", ...argv], { cwd: pinned, env: OFFLINE });
  await using model = await startFakeModel();
  const asking = {
    HEARTH_STATE: join(scratch, "state-of-model"),
    GITHUB_SERVER_URL: "http://127.0.0.1:9",
    LLM_PROVIDER: "openai",
    LLM_BASE_URL: `${model.url}/v1`,
    LLM_MODEL: "fake",
  };
  // Some files cannot be planned for a push with no history, in all three alike.
  const plan = (name: string, cwd: string, ...flags: readonly string[]): Contender => {
    return { name, argv: [process.execPath, hearth, "plan", ...DISPATCHED, ...flags], cwd, env: asking, exitCode: 3 };
  };
  const contenders = [
    plan("hearth plan --no-translate", plain, "--no-translate"),
    plan("hearth plan, rules", plain),
    plan("hearth plan, pinned", pinned),
    // The first round, which does not count, asks the model.
    plan("hearth plan --translate, answers kept", plain, "--translate"),
  ];
  printTimings("Planning with translations", await measure(contenders, 9));
}
