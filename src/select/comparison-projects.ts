/**
 * Two copies of the working tree for each step that is to be compared, each with one workflow: the real action in one, its translation
 * in the other. Steps around it look at what it leaves behind (`translate/probe`). The user's files are read only.
 */
import { readFileSync } from "node:fs";
import { cp, lstat, mkdir, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { parseDocument, stringify } from "yaml";
import { repositoryText } from "../action/reference.ts";
import { git } from "../git/git.ts";
import { snapshotWorkingTree } from "../git/working-tree.ts";
import { PROBE_ACTION } from "../translate/probe-action.ts";
import { readWorkflowSet } from "./collect-references.ts";
import { isMissing } from "./directory-entry.ts";
import { findComparisons, plainValues } from "./find-comparisons.ts";
import type { FoundComparison } from "./find-comparisons.ts";
import { LOCK_FILE } from "./lock.ts";
import { readLock, writeLock } from "./lock-file.ts";
import type { ManageRequest } from "./manage-actions.ts";
import type { TranslateEnvironment } from "./manage-translations.ts";
import { HEARTH_FILE } from "./settings-node.ts";

export interface VerifyRequest extends ManageRequest {
  /** An action with or without its ref, or the id of a step; undefined for all. */
  readonly wanted: string | undefined;
}

export interface VerifyEnvironment extends TranslateEnvironment {
  /** A directory that goes with the process; made when it is asked for. */
  readonly scratch: () => Promise<string>;
}

export interface Comparison extends FoundComparison {
  /** Workflow files of the real action and of the translation, to be planned like any other; what they make is removed with them. */
  prepare(): Promise<ComparisonProjects>;
}

export interface ComparisonProjects extends AsyncDisposable {
  readonly real: string;
  readonly translated: string;
  /** The user's repository. */
  readonly repository: string;
}

/** Throws BAD_USAGE for workflows that cannot be read. */
export async function prepareComparisons(
  request: VerifyRequest,
  environment: VerifyEnvironment,
): Promise<readonly Comparison[]> {
  const set = await readWorkflowSet(request.path, environment.workingDirectory);
  const lock = readLock(set.repository.root);
  const found = await findComparisons(set, request, environment, lock);
  const { root } = set.repository;
  let numbers = 0;

  return found.map((comparison) => ({
    ...comparison,
    async prepare() {
      const { translation, reference, step } = comparison;
      if (translation === undefined) throw new Error(`Nothing stands for ${comparison.action}`);
      numbers += 1;
      const place = join(await environment.scratch(), `verify-${numbers}`);
      const snapshot = await snapshotWorkingTree(set.repository, join(place, "tree"));
      const [real, translated] = [join(place, "real", basename(root)), join(place, "translated", basename(root))];
      for (const directory of [real, translated]) {
        await makeProject(directory, snapshot);
        await writeFile(join(directory, WORKFLOW), workflowText(comparison.action, step));
      }
      await writeLock(real, { uses: lock?.uses ?? {} });
      await writeLock(translated, { uses: lock?.uses ?? {}, translations: [translation] });
      const settings = readIfThere(join(root, HEARTH_FILE));
      await writeFile(join(real, HEARTH_FILE), withTranslate(settings, "off"));
      await writeFile(join(translated, HEARTH_FILE), withTranslate(settings, { always: [repositoryText(reference)] }));
      return {
        real: join(real, WORKFLOW),
        translated: join(translated, WORKFLOW),
        repository: root,
        [Symbol.asyncDispose]: () => rm(place, { recursive: true, force: true }),
      };
    },
  }));
}

const WORKFLOWS = join(".github", "workflows");
const WORKFLOW = join(WORKFLOWS, "verify.yml");
/** `main.mts` leaves it out. */
const PROBE = ".hearth-verify";

async function makeProject(directory: string, { gitDir, sha }: { gitDir: string; sha: string }): Promise<void> {
  await mkdir(directory, { recursive: true });
  const env = { GIT_DIR: gitDir, GIT_WORK_TREE: directory, GIT_INDEX_FILE: join(directory, "..", "index") };
  await git(["read-tree", sha], { cwd: directory, env });
  await git(["checkout-index", "--all", "--force"], { cwd: directory, env });
  // What is written below must not follow a link of the working tree.
  for (const name of [".github", ".hearth"]) await ownDirectory(join(directory, name));
  for (const name of [WORKFLOWS, PROBE, HEARTH_FILE, LOCK_FILE]) {
    await rm(join(directory, name), { recursive: true, force: true });
  }
  await mkdir(join(directory, WORKFLOWS));
  await cp(PROBE_ACTION, join(directory, PROBE), { recursive: true });
}

async function ownDirectory(path: string): Promise<void> {
  const status = await lstat(path).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
  if (status?.isDirectory() === true) return;
  await rm(path, { force: true });
  await mkdir(path);
}

function workflowText(action: string, { uses, with: given, env }: FoundComparison["step"]): string {
  const probe = `./${PROBE}`;
  const seen = { outcome: "${{ steps.it.outcome }}", outputs: "${{ toJSON(steps.it.outputs) }}" };
  const steps = [
    { uses: "actions/checkout@v5" },
    { uses: probe },
    { id: "it", uses, with: plainValues(given), env: plainValues(env), "continue-on-error": true },
    { id: "probe", if: "always()", uses: probe, with: seen },
  ];
  const job = { "runs-on": "ubuntu-latest", outputs: { report: "${{ steps.probe.outputs.report }}" }, steps };
  return stringify({ name: `Verify ${action}`, on: "push", jobs: { verify: job } });
}

/** What else the user's file says stays: networks, runners, policy. It was read, and found right, before. */
function withTranslate(settings: string, translate: unknown): string {
  const document = parseDocument(settings);
  document.set("translate", document.createNode(translate));
  return document.toString();
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return "{}\n";
    throw error;
  }
}
