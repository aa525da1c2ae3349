/** Which files a path on the command line means, and the repository they belong to. Reads directories, not the files. */
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import { isMissing } from "./directory-entry.ts";

export interface WorkflowFiles {
  /** Absolute: where the repository is looked for, and what local actions are relative to unless git knows better. */
  readonly project: string;
  /** The project was named by the user and is not the top of a git repository: it stands for itself. */
  readonly standsAlone: boolean;
  /** Absolute, sorted. */
  readonly files: readonly string[];
}

const WORKFLOWS = join(".github", "workflows");
/** A directory of workflows from elsewhere may nest; one that nests deeper or holds more is not one. */
const MAX_FILES = 5_000;

/** Throws BAD_USAGE when there is no such file, or no workflow in the directory. */
export async function findWorkflowFiles(path: string | undefined, workingDirectory: string): Promise<WorkflowFiles> {
  if (path === undefined) return fromRepositoryAround(workingDirectory);
  const kind = await kindOf(path);
  if (kind === undefined) {
    const inPlace = join(WORKFLOWS, basename(path));
    const isThere = (await kindOf(join(dirname(path), inPlace))) === "file";
    const hint = isThere ? `There is ${inPlace}.` : "Name a workflow file or a directory.";
    throw new EngineError("BAD_USAGE", `Cannot find ${path}`, { hint });
  }
  if (kind === "file") {
    const directory = dirname(path);
    const inPlace = directory.endsWith(WORKFLOWS);
    const project = inPlace ? directory.slice(0, -WORKFLOWS.length - 1) : directory;
    return { project, standsAlone: inPlace && !(await isGitRoot(project)), files: [path] };
  }
  return fromDirectory(path);
}

async function fromRepositoryAround(workingDirectory: string): Promise<WorkflowFiles> {
  for (let directory = workingDirectory; ; directory = dirname(directory)) {
    const files = await yamlFilesIn(join(directory, WORKFLOWS));
    if (files.length > 0) return { project: directory, standsAlone: !(await isGitRoot(directory)), files };
    if ((await isGitRoot(directory)) || directory === dirname(directory)) break;
  }
  throw new EngineError("BAD_USAGE", `Cannot find workflows: no ${WORKFLOWS} at or above ${workingDirectory}`, {
    hint: "Name a workflow file or a directory.",
  });
}

async function fromDirectory(directory: string): Promise<WorkflowFiles> {
  const own = await yamlFilesIn(join(directory, WORKFLOWS));
  const standsAlone = !(await isGitRoot(directory));
  if (own.length > 0) return { project: directory, standsAlone, files: own };
  const direct = await yamlFilesIn(directory);
  const files = direct.length > 0 ? direct : await yamlFilesBelow(directory);
  if (files.length === 0) {
    throw new EngineError("BAD_USAGE", `Cannot find workflows in ${directory}`, {
      hint: `Neither ${join(basename(directory), WORKFLOWS)} nor the directory itself holds a .yml or .yaml file.`,
    });
  }
  return { project: directory, standsAlone, files };
}

async function yamlFilesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(missingIsEmpty);
  return entries
    .filter((entry) => !entry.isDirectory() && isYaml(entry.name))
    .map((entry) => join(directory, entry.name))
    .toSorted();
}

async function yamlFilesBelow(directory: string): Promise<string[]> {
  const found = (await readdir(directory, { recursive: true })).filter(isYaml).toSorted();
  if (found.length > MAX_FILES) {
    throw new EngineError(
      "BAD_USAGE",
      `Cannot take ${directory}: it holds ${found.length} YAML files, at most ${MAX_FILES} are read`,
    );
  }
  return found.map((name) => join(directory, name));
}

/** How a file is called in the plan: relative to the project where it is inside it. */
export function workflowPath(project: string, file: string): string {
  const path = relative(project, file);
  return path.startsWith("..") ? file : path;
}

function isYaml(name: string): boolean {
  return /\.ya?ml$/i.test(name);
}

async function isGitRoot(directory: string): Promise<boolean> {
  return (await kindOf(join(directory, ".git"))) !== undefined;
}

async function kindOf(path: string): Promise<"file" | "directory" | undefined> {
  try {
    return (await stat(path)).isDirectory() ? "directory" : "file";
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function missingIsEmpty(error: unknown): never[] {
  if (isMissing(error)) return [];
  throw error;
}
