/** The YAML that planning reads of a checkout: workflows, manifests of the repository's own actions, settings. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { MAX_MANIFEST_BYTES } from "../action/manifest.ts";
import { git, splitNul } from "../git/git.ts";
import { readFileWithin } from "../lib/read-file-within.ts";
import { LOCK_FILE } from "../select/lock.ts";
import { MAX_WORKFLOW_BYTES } from "../select/read-files.ts";
import { HEARTH_FILE } from "../select/settings-node.ts";
import type { RehearsalText } from "./rehearse.ts";

export const WORKFLOWS = ".github/workflows";
/** No repository has more actions of its own; of one that does, those beyond are read by the planner under its own limits. */
const MAX_MANIFESTS = 200;

/** Relative to the top, sorted; empty where there are none. */
export async function workflowsOf(directory: string): Promise<readonly string[]> {
  const names = await readdir(join(directory, WORKFLOWS), { withFileTypes: true }).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && ["ENOENT", "ENOTDIR", "ELOOP"].includes(String(error.code)))
      return [];
    throw error;
  });
  return names
    .filter((entry) => !entry.isDirectory() && /\.ya?ml$/iu.test(entry.name))
    .map(({ name }) => `${WORKFLOWS}/${name}`)
    .toSorted();
}

/** What is no regular file of the repository, or too large, is left out: the planner refuses it without reading it. */
export async function textsOf(directory: string, workflows: readonly string[]): Promise<readonly RehearsalText[]> {
  const listed = splitNul(await git(["ls-files", "-z"], { cwd: directory }));
  const manifests = listed.filter((path) => /(?:^|\/)action\.ya?ml$/u.test(path)).slice(0, MAX_MANIFESTS);
  const settings = [HEARTH_FILE, LOCK_FILE].filter((path) => listed.includes(path));
  const read = (kind: RehearsalText["kind"], maxBytes: number) => (path: string) => {
    const text = textAt(directory, path, maxBytes);
    return text === undefined ? [] : [{ kind, path, text }];
  };
  return [
    ...workflows.flatMap(read("workflow", MAX_WORKFLOW_BYTES)),
    ...manifests.flatMap(read("manifest", MAX_MANIFEST_BYTES)),
    ...settings.flatMap(read("settings", MAX_WORKFLOW_BYTES)),
  ];
}

function textAt(directory: string, path: string, maxBytes: number): string | undefined {
  try {
    return readFileWithin(join(directory, path), maxBytes, directory).toString("utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}
