/**
 * What differs between two machines that were one: files, processes, sockets that listen. Both are stopped for it, all but their
 * agents: for copies that are thrown away afterwards.
 */
import { compareFiles, compareListeners, compareProcesses, decide, isRegular } from "./compare-surveys.ts";
import type { FileChange } from "./compare-surveys.ts";
import type { FileContent, Listener, Survey, SurveyedFile, SurveyedProcess } from "./survey.ts";
import { readContents, takeSurvey } from "./take-survey.ts";
import type { SurveyedMachine } from "./take-survey.ts";

export interface CompareOptions {
  /** Absolute directory in the machine to which files are restricted; undefined: everything that it can write to. */
  readonly directory: string | undefined;
  /**
   * When the image was there, and no machine of it: what nobody has written below since then is not entered, where no process can set the
   * machine's clock. Undefined: everything is entered.
   */
  readonly builtAt: Date | undefined;
  /** Contents of files of at most so many bytes are brought as well; undefined: of none. */
  readonly contentBytes: number | undefined;
}

/** All paths are bytes, written as Latin-1. */
export interface MachineChanges {
  readonly files: readonly FileChange[];
  /** By path, of files that were added, changed or removed, where it was asked for. */
  readonly contents: { readonly before: Contents; readonly after: Contents };
  readonly processes: { readonly left: readonly SurveyedProcess[]; readonly gone: readonly SurveyedProcess[] };
  readonly listeners: { readonly opened: readonly Listener[]; readonly closed: readonly Listener[] };
  /** All of the later one. */
  readonly running: readonly SurveyedProcess[];
  /** In one of the machines the guest's programs are told to load a library, ours among them. */
  readonly isPreloaded: boolean;
  /** There were more files than are looked at. */
  readonly isCut: boolean;
}

type Contents = ReadonlyMap<string, FileContent>;

/** Where gVisor machines have the host's tools, below the layer that jobs write to. */
const HOST_TOOLS = "/opt/hearth-tools";
const MAX_ENTRIES = 3_000_000;

/** Throws GUEST_REFUSED, GUEST_PROTOCOL, MACHINE_LOST, or the signal's reason. */
export async function compareMachines(
  before: SurveyedMachine,
  after: SurveyedMachine,
  options: CompareOptions,
  signal: AbortSignal,
): Promise<MachineChanges> {
  const roots = [Buffer.from(options.directory ?? "/").toString("latin1")];
  const [was, is] = await Promise.all([look(before, roots, options, signal), look(after, roots, options, signal)]);
  await Promise.all([
    lookFurther(before, was.survey, is.survey, signal),
    lookFurther(after, is.survey, was.survey, signal),
  ]);
  const [old, now] = [was.survey, is.survey];
  const compared = compareFiles(old.files, now.files);
  const { undecided } = compared;
  const [oldContents, newContents] = await both(before, after, { before: undecided, after: undecided }, 0, signal);
  const different = undecided.filter((path) => oldContents.get(path)?.digest !== newContents.get(path)?.digest);
  const files = decide(compared, new Set(different), old.files, now.files);
  const [shownBefore, shownAfter] = await both(
    before,
    after,
    toShow(files, options),
    options.contentBytes ?? 0,
    signal,
  );
  return {
    files,
    contents: { before: shownBefore, after: shownAfter },
    processes: compareProcesses(old.processes, now.processes),
    listeners: compareListeners(old.listeners, now.listeners),
    running: now.processes,
    isPreloaded: was.isPreloaded || is.isPreloaded,
    isCut: old.isCut || now.isCut,
  };
}

/** What the kernel makes up, and what Hearth mounts; the tool cache is seen where it is used. */
function notLookedAt({ externals }: SurveyedMachine["layout"]): readonly string[] {
  const own = ["/opt/hearth", HOST_TOOLS, "/run/hearth", "/run/tools", externals];
  return ["/proc", "/sys", "/dev", ...own];
}

async function look(
  machine: SurveyedMachine,
  roots: readonly string[],
  { builtAt }: CompareOptions,
  signal: AbortSignal,
): ReturnType<typeof takeSurvey> {
  const { layout } = machine;
  const layered = [
    { path: "/", unchangedBeforeMs: builtAt?.getTime() ?? 0, lower: undefined },
    { path: layout.toolCache, unchangedBeforeMs: 0, lower: HOST_TOOLS },
  ];
  const wish = { kind: "look" as const, roots, layered, maxEntries: MAX_ENTRIES };
  return takeSurvey(machine, { ...wish, skip: notLookedAt(layout) }, signal);
}

/** What one of two did not enter and the other did is to be known of both. Adds to `own`. */
async function lookFurther(machine: SurveyedMachine, own: Survey, other: Survey, signal: AbortSignal): Promise<void> {
  const roots = [...own.untouched].filter((path) => !isOrIsBelow(path, other.untouched));
  if (roots.length === 0) return;
  const entered = new Set(roots);
  const below = [...other.untouched].filter((path) => isOrIsBelow(path, entered));
  const skip = [...notLookedAt(machine.layout), ...below];
  const wish = { kind: "look" as const, roots, layered: [], maxEntries: MAX_ENTRIES };
  const { survey } = await takeSurvey(machine, { ...wish, skip }, signal);
  for (const [path, file] of survey.files) own.files.set(path, file);
  // They are the same in both: what the other says of them counts.
  for (const path of below) {
    const file = other.files.get(path);
    if (file !== undefined) own.files.set(path, file);
  }
}

function isOrIsBelow(path: string, directories: ReadonlySet<string>): boolean {
  for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
    if (directories.has(path.slice(0, end))) return true;
  }
  return false;
}

async function both(
  before: SurveyedMachine,
  after: SurveyedMachine,
  paths: { readonly before: readonly string[]; readonly after: readonly string[] },
  maxBytes: number,
  signal: AbortSignal,
): Promise<readonly [Contents, Contents]> {
  return Promise.all([
    readContents(before, paths.before, maxBytes, signal),
    readContents(after, paths.after, maxBytes, signal),
  ]);
}

/** Files of which there is something to show, in each of the two. */
function toShow(
  files: readonly FileChange[],
  { contentBytes = -1 }: CompareOptions,
): { readonly before: readonly string[]; readonly after: readonly string[] } {
  const shown = files.filter((change) => change.kind !== "changed" || change.aspects.includes("content"));
  const fits = (file: SurveyedFile): boolean => isRegular(file) && file.sizeBytes <= contentBytes;
  return {
    before: shown.filter((change) => change.kind !== "added" && fits(change.before)).map(({ path }) => path),
    after: shown.filter((change) => change.kind !== "removed" && fits(change.after)).map(({ path }) => path),
  };
}
