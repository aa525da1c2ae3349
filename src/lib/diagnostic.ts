/**
 * A fault in a file that the workflow's author wrote: collected, not thrown, and always with a place.
 * Lines and columns count from 1, as editors and GitHub's messages do.
 */

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Closed set: `error` stops the plan, `warning` does not; `unsupported` is an error about Hearth rather than about the file. */
export type DiagnosticKind = "error" | "warning" | "unsupported";

export interface Diagnostic {
  readonly kind: DiagnosticKind;
  /** Path relative to the repository's root, such as `.github/workflows/ci.yml`. */
  readonly file: string;
  readonly at: Position | undefined;
  /** The key the fault is about, dotted from the root: `jobs.build.steps[2].uses`. */
  readonly key: string | undefined;
  readonly message: string;
}

/** One line, in the form that editors and terminals turn into a link: `file:line:column: kind: message`. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { file, at, kind, key, message } = diagnostic;
  const place = at === undefined ? file : `${file}:${at.line}:${at.column}`;
  return `${place}: ${kind}: ${message}${key === undefined ? "" : ` (${key})`}`;
}
