/** Annotations of a job as GitHub's checks have them: every one with a file of the repository and a line. */
import type { AnnotationFields } from "../store/run-event.ts";
import { cutText } from "./cut-text.ts";
import type { Annotation } from "./report-body.ts";

/** Of a job; each 50 cost a request. */
export const MAX_ANNOTATIONS = 500;
const MAX_MESSAGE_BYTES = 60_000;
const MAX_TITLE = 255;
const LEVELS = { notice: "notice", warning: "warning", error: "failure" } as const;

/** One without a file, or with one outside the repository, stands at the workflow's own: GitHub takes none without. */
export function githubAnnotation(fields: AnnotationFields, workflow: string): Annotation {
  const { level, file, title } = fields;
  const isOwn = file !== undefined && isInside(file);
  const message = [...(isOwn || file === undefined ? [] : [`${file}:`]), fields.message].join(" ").trim();
  return {
    path: isOwn ? file.replace(/^(?:\.\/+)+/, "") : workflow,
    ...linesOf(isOwn ? fields : { line: 1, endLine: 1, column: undefined, endColumn: undefined }),
    annotation_level: LEVELS[level],
    // A character has four bytes at most, and none is cut.
    message: message === "" ? level : withinBytes(message),
    ...(title !== undefined && title !== "" && { title: cutText(title, MAX_TITLE, "…") }),
  };
}

function isInside(file: string): boolean {
  return (
    file !== "" &&
    !file.startsWith("/") &&
    !file.includes("\\") &&
    !file.includes(":") &&
    !file.split("/").includes("..")
  );
}

function linesOf({
  line,
  endLine,
  column,
  endColumn,
}: Pick<AnnotationFields, "line" | "endLine" | "column" | "endColumn">) {
  const start = lineNumber(line) ?? 1;
  const end = Math.max(start, lineNumber(endLine) ?? start);
  const from = lineNumber(column);
  // GitHub refuses columns of several lines.
  if (from === undefined || start !== end) return { start_line: start, end_line: end };
  return {
    start_line: start,
    end_line: end,
    start_column: from,
    end_column: Math.max(from, lineNumber(endColumn) ?? from),
  };
}

function lineNumber(value: number | undefined): number | undefined {
  return value !== undefined && Number.isSafeInteger(value) && value >= 1 && value <= 2 ** 31 - 1 ? value : undefined;
}

function withinBytes(message: string): string {
  if (Buffer.byteLength(message) <= MAX_MESSAGE_BYTES) return message;
  return cutText(message, MAX_MESSAGE_BYTES / 4, "…");
}
