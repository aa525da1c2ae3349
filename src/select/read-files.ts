/** Reads a person's own files: workflows, and the manifests of the actions in their repository. A broken one is a result. */
import { join } from "node:path";
import { MANIFEST_FILES, MAX_MANIFEST_BYTES } from "../action/manifest.ts";
import { readFileWithin } from "../lib/read-file-within.ts";
import { READ_LIMITS } from "../workflow/limits.ts";
import { readWorkflow } from "../workflow/read-workflow.ts";
import type { ReadResult } from "../workflow/read-workflow.ts";
import { workflowPath } from "./workflow-files.ts";

export interface NamedRead {
  readonly path: string;
  /** What it was read from; empty where it could not be opened. */
  readonly text: string;
  readonly result: ReadResult;
}

export function readFileAsWorkflow(project: string, file: string): NamedRead {
  const path = workflowPath(project, file);
  try {
    const text = readFileWithin(file, MAX_WORKFLOW_BYTES, project).toString("utf8");
    return { path, text, result: readWorkflow(path, text) };
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    const message = `Cannot read the file: ${error.message}`;
    const diagnostics = [{ kind: "error" as const, file: path, at: undefined, key: undefined, message }];
    return { path, text: "", result: { kind: "refused", diagnostics, declaredSteps: undefined } };
  }
}

/** Synchronous, because planning is. */
export function lookUpAction(root: string, path: string): { path: string; text: string } | undefined {
  for (const name of MANIFEST_FILES) {
    const file = join(path, name);
    try {
      return { path: file, text: readFileWithin(join(root, file), MAX_MANIFEST_BYTES, root).toString("utf8") };
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
    }
  }
  return undefined;
}

/** UTF-8 takes at most three bytes for what counts as one character. */
export const MAX_WORKFLOW_BYTES = 3 * READ_LIMITS.characters;
