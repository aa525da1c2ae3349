/**
 * The fields of an annotation, put right as GitHub's runner does (ACTIONS-CONTRACT §2.2): a range that makes no sense loses
 * the part that does not, the message stays. Pure; masking and the limit of ten of each level are `log-writer.ts`'s.
 */
import { posix } from "node:path";
import type { AnnotationFields } from "../store/run-event.ts";

export type AnnotationLevel = AnnotationFields["level"];

export const MAX_MESSAGE_CHARACTERS = 4096;

const MAX_INT32 = 0x7fffffff;

/** From `::error file=…,line=…::message` and its like. `properties` has its keys in lower case. */
export function annotationFromCommand(
  level: AnnotationLevel,
  message: string,
  properties: ReadonlyMap<string, string>,
  workspace: string,
): AnnotationFields {
  const file = properties.get("file");
  return {
    level,
    message,
    title: properties.get("title"),
    file: file === undefined ? undefined : relativeTo(workspace, file),
    ...place({
      line: parseNumber(properties.get("line")),
      endLine: parseNumber(properties.get("endline")),
      column: parseNumber(properties.get("col")),
      endColumn: parseNumber(properties.get("endcolumn")),
    }),
  };
}

export function plainAnnotation(level: AnnotationLevel, message: string): AnnotationFields {
  return {
    level,
    message,
    title: undefined,
    file: undefined,
    line: undefined,
    endLine: undefined,
    column: undefined,
    endColumn: undefined,
  };
}

/** Undefined for anything but a number that GitHub could show: decimal digits, white space around them allowed. */
export function parseNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^\s*\+?\d{1,10}\s*$/.test(text)) return undefined;
  const value = Number(text);
  return value <= MAX_INT32 ? value : undefined;
}

/** Where a matched file lies in the workspace, with `/`; undefined when it lies outside. */
export function pathInWorkspace(workspace: string, file: string, fromPath: string | undefined): string | undefined {
  const base = fromPath === undefined ? workspace : posix.resolve(workspace, posix.dirname(fromPath));
  const path = posix.relative(workspace, posix.resolve(base, file));
  return path === "" || path === ".." || path.startsWith("../") ? undefined : path;
}

interface Place {
  readonly line: number | undefined;
  readonly endLine: number | undefined;
  readonly column: number | undefined;
  readonly endColumn: number | undefined;
}

/** The order of these rules is GitHub's, and matters. */
function place(given: Place): Place {
  const { endLine, endColumn } = given;
  let line = given.line ?? endLine;
  let column = given.column ?? endColumn;
  let shownEndLine = endLine;
  let shownEndColumn = endColumn;
  const dropColumns = (): void => {
    column = undefined;
    shownEndColumn = undefined;
  };
  if (line === undefined) dropColumns();
  if (endLine !== undefined && line !== endLine) dropColumns();
  if (line !== undefined && endLine !== undefined && endLine < line) {
    line = undefined;
    shownEndLine = undefined;
  }
  if (column !== undefined && shownEndColumn !== undefined && shownEndColumn < column) dropColumns();
  return { line, endLine: shownEndLine, column, endColumn: shownEndColumn };
}

/** A path outside the workspace, or the workspace itself, stays as it was written. */
function relativeTo(workspace: string, file: string): string {
  const folder = workspace.endsWith("/") ? workspace : `${workspace}/`;
  return file.startsWith(folder) && file.length > folder.length ? file.slice(folder.length) : file;
}
