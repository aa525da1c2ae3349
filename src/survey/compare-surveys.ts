/** What differs between two surveys of a machine. Pure. */
import type { Listener, Survey, SurveyedFile, SurveyedProcess } from "./survey.ts";

/** What of a file differs; `content` also stands for the number of a device. */
export type FileAspect = "type" | "content" | "mode" | "owner" | "target";

export type FileChange =
  | { readonly kind: "added"; readonly path: string; readonly after: SurveyedFile }
  | { readonly kind: "removed"; readonly path: string; readonly before: SurveyedFile }
  | {
      readonly kind: "changed";
      readonly path: string;
      readonly before: SurveyedFile;
      readonly after: SurveyedFile;
      readonly aspects: readonly FileAspect[];
    };

export interface FileComparison {
  /** By path. */
  readonly changes: readonly FileChange[];
  /** Of the same size, written to or touched between the two: only their content says whether they differ. By path. */
  readonly undecided: readonly string[];
}

const TYPE = 0o170000;
const REGULAR = 0o100000;
const DIRECTORY = 0o040000;
const LINK = 0o120000;

export function compareFiles(before: Survey["files"], after: Survey["files"]): FileComparison {
  const changes: FileChange[] = [];
  const undecided: string[] = [];
  for (const [path, was] of before) {
    const is = after.get(path);
    if (is === undefined) {
      changes.push({ kind: "removed", path, before: was });
      continue;
    }
    const aspects = aspectsOf(was, is);
    if (aspects.length > 0) changes.push({ kind: "changed", path, before: was, after: is, aspects });
    if (!aspects.includes("content") && !aspects.includes("type") && mayDiffer(was, is)) undecided.push(path);
  }
  for (const [path, is] of after) if (!before.has(path)) changes.push({ kind: "added", path, after: is });
  return { changes: changes.toSorted(byPath), undecided: undecided.toSorted() };
}

/** `different`: those of the undecided whose content is another one. */
export function decide(
  { changes }: FileComparison,
  different: ReadonlySet<string>,
  before: Survey["files"],
  after: Survey["files"],
): readonly FileChange[] {
  const known = new Set<string>();
  const decided = changes.map((change): FileChange => {
    if (change.kind !== "changed" || !different.has(change.path)) return change;
    known.add(change.path);
    return { ...change, aspects: ["content", ...change.aspects] };
  });
  for (const path of different) {
    const [was, is] = [before.get(path), after.get(path)];
    if (known.has(path) || was === undefined || is === undefined) continue;
    decided.push({ kind: "changed", path, before: was, after: is, aspects: ["content"] });
  }
  return decided.toSorted(byPath);
}

export function isRegular({ mode }: SurveyedFile): boolean {
  return (mode & TYPE) === REGULAR;
}

export function isDirectory({ mode }: SurveyedFile): boolean {
  return (mode & TYPE) === DIRECTORY;
}

export function isLink({ mode }: SurveyedFile): boolean {
  return (mode & TYPE) === LINK;
}

export function compareProcesses(
  before: readonly SurveyedProcess[],
  after: readonly SurveyedProcess[],
): { readonly left: readonly SurveyedProcess[]; readonly gone: readonly SurveyedProcess[] } {
  return { left: without(after, before, processKey), gone: without(before, after, processKey) };
}

export function compareListeners(
  before: readonly Listener[],
  after: readonly Listener[],
): { readonly opened: readonly Listener[]; readonly closed: readonly Listener[] } {
  return { opened: without(after, before, listenerKey), closed: without(before, after, listenerKey) };
}

function aspectsOf(was: SurveyedFile, is: SurveyedFile): readonly FileAspect[] {
  if ((was.mode & TYPE) !== (is.mode & TYPE)) return ["type"];
  const sized = !isDirectory(is) && !isLink(is);
  const aspects: readonly (readonly [FileAspect, boolean])[] = [
    ["content", sized && was.sizeBytes !== is.sizeBytes],
    ["mode", was.mode !== is.mode],
    ["owner", was.uid !== is.uid || was.gid !== is.gid],
    ["target", was.target !== is.target],
  ];
  return aspects.filter(([, differs]) => differs).map(([aspect]) => aspect);
}

/** A program can set mtime and not ctime. */
function mayDiffer(was: SurveyedFile, is: SurveyedFile): boolean {
  return isRegular(is) && is.sizeBytes > 0 && (was.ctimeMs !== is.ctimeMs || was.mtimeMs !== is.mtimeMs);
}

function without<T>(all: readonly T[], others: readonly T[], key: (one: T) => string): readonly T[] {
  const known = new Set(others.map(key));
  return all.filter((one) => !known.has(key(one)));
}

function processKey({ pid, startedTicks }: SurveyedProcess): string {
  return `${pid} ${startedTicks}`;
}

function listenerKey({ protocol, address, port }: Listener): string {
  return `${protocol} ${address} ${port}`;
}

function byPath(one: { readonly path: string }, other: { readonly path: string }): number {
  return one.path < other.path ? -1 : Number(one.path > other.path);
}
