/**
 * Public data that stands beside the project in `../shared`: GitHub's conformance cases and a corpus of real workflows. Where it is
 * not, as in a plain clone, the tests that read it are skipped and say so.
 */
import { existsSync, readdirSync } from "node:fs";

export interface SharedData {
  readonly folder: URL;
  /** Names in the folder; empty when it is not there. */
  readonly files: readonly string[];
  /** For a test's name. */
  readonly suffix: string;
}

export function sharedData(path: string): SharedData {
  const folder = new URL(`../../shared/${path}`, import.meta.url);
  const there = existsSync(folder);
  return {
    folder,
    files: there ? readdirSync(folder).toSorted() : [],
    suffix: there ? "" : ` (not proven: ../shared/${path} is not here)`,
  };
}
