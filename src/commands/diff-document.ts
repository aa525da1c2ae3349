/** What `hearth diff` tells, as one value: made of what two machines, two saved jobs and a run's record say. Pure. */
import type { JobState } from "../engine/job-state.ts";
import type { ShellPlace } from "../engine/saved-job.ts";
import type { Masker } from "../joblog/masker.ts";
import type { RunEvent } from "../store/run-event.ts";
import type { FileAspect, FileChange } from "../survey/compare-surveys.ts";
import { isDirectory, isLink, isRegular } from "../survey/compare-surveys.ts";
import type { MachineChanges } from "../survey/compare-machines.ts";
import type { Listener, SurveyedFile, SurveyedProcess } from "../survey/survey.ts";
import type { DiffMoments } from "./diff-moments.ts";
import { contentDiff } from "./diff-content.ts";
import type { EgressEvent } from "./network-lines.ts";

/** `hearth diff --json` prints it: a change of a member is a change of a public format. */
export interface DiffDocument {
  readonly run: string;
  readonly job: string;
  /** Numbers of the declared steps before which the two checkpoints were taken. */
  readonly from: number;
  readonly to: number;
  /** Those that ran between. */
  readonly steps: readonly { readonly number: number; readonly name: string }[];
  readonly notes: readonly string[];
  readonly workspace: string;
  readonly files: readonly DiffFile[];
  readonly env: readonly DiffValue[];
  readonly path: { readonly added: readonly string[]; readonly removed: readonly string[] };
  readonly outputs: readonly ({ readonly step: string } & DiffValue)[];
  readonly processes: { readonly left: readonly DiffProcess[]; readonly gone: readonly DiffProcess[] };
  readonly ports: { readonly opened: readonly DiffPort[]; readonly closed: readonly DiffPort[] };
  readonly network: readonly DiffRequest[];
}

export interface DiffFile {
  readonly change: "added" | "changed" | "removed";
  readonly path: string;
  readonly type: "file" | "directory" | "link" | "other";
  /** Of a changed file: in what. */
  readonly aspects?: readonly FileAspect[];
  readonly before?: DiffStat;
  readonly after?: DiffStat;
  /** Hearth writes such files itself for every step; a step can write there as well. */
  readonly ofHearth?: true;
  /** Unified; absent where it was not asked for, or is no small text. */
  readonly diff?: string;
}

interface DiffStat {
  readonly sizeBytes: number;
  /** In octal, without the type. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly target?: string;
}

export interface DiffValue {
  readonly name: string;
  /** Undefined: it was not set. */
  readonly before?: string;
  readonly after?: string;
}

export interface DiffProcess {
  readonly pid: number;
  readonly user: string;
  readonly uid: number;
  readonly command: string;
}

export interface DiffPort {
  readonly protocol: "tcp" | "udp";
  readonly address: string;
  readonly port: number;
  /** Undefined where it is not known who listens. */
  readonly process?: DiffProcess;
}

export interface DiffRequest {
  readonly step: string;
  readonly host: string;
  readonly port: number;
  readonly allowed: boolean;
  readonly times: number;
  readonly reason?: string;
}

export interface DiffParts {
  readonly run: string;
  readonly moments: DiffMoments;
  readonly changes: MachineChanges;
  readonly states: { readonly before: JobState; readonly after: JobState };
  readonly shell: ShellPlace;
  /** `RUNNER_TEMP`. */
  readonly temp: string;
  readonly egress: readonly EgressEvent[];
  readonly masker: Pick<Masker, "mask">;
}

const MAX_COMMAND_CHARACTERS = 400;

export function diffDocument(parts: DiffParts): DiffDocument {
  const { run, moments, changes, states, shell, egress, masker } = parts;
  const { before, after } = states;
  const running = new Map(changes.running.map((one) => [one.pid, one]));
  const document: DiffDocument = {
    run,
    job: moments.from.job,
    from: moments.from.step,
    to: moments.to.step,
    steps: moments.steps,
    notes: [...moments.notes, ...notesOf(changes)],
    workspace: shell.cwd,
    files: diffFiles(parts),
    env: compareValues(before.env, after.env),
    path: {
      added: after.path.filter((entry) => !before.path.includes(entry)),
      removed: before.path.filter((entry) => !after.path.includes(entry)),
    },
    outputs: outputsOf(before, after),
    processes: { left: changes.processes.left.map(processOf), gone: changes.processes.gone.map(processOf) },
    ports: {
      opened: changes.listeners.opened.map((one) => portOf(one, running)),
      closed: changes.listeners.closed.map((one) => portOf(one, new Map())),
    },
    network: egress.map(requestOf),
  };
  return masked(document, (text) => masker.mask(text));
}

/** Names are the job's: one may be `__proto__`. */
function compareValues(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): readonly DiffValue[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
  return names
    .map((name) => ({
      name,
      ...(Object.hasOwn(before, name) ? { before: before[name] ?? "" } : {}),
      ...(Object.hasOwn(after, name) ? { after: after[name] ?? "" } : {}),
    }))
    .filter((value) => value.before !== value.after);
}

function outputsOf(before: JobState, after: JobState): DiffDocument["outputs"] {
  return Object.keys(after.scope.steps).flatMap((step) => {
    const was = before.scope.steps[step]?.outputs ?? {};
    return compareValues(was, after.scope.steps[step]?.outputs ?? {}).map((value) => ({ step, ...value }));
  });
}

function notesOf({ isPreloaded, isCut }: MachineChanges): readonly string[] {
  return [
    ...(isPreloaded
      ? [
          "The machine makes every program load a library (/etc/ld.so.preload): files and processes may be shown falsely",
        ]
      : []),
    ...(isCut ? ["There are more files than are looked at: what is shown of them is not all"] : []),
  ];
}

/** Not masked but for contents. */
function diffFiles(parts: Pick<DiffParts, "temp" | "changes" | "masker">): readonly DiffFile[] {
  return parts.changes.files.map((change) => fileOf(change, parts));
}

/** What somebody's program touched: what Hearth writes itself is left out. */
export function touchedFiles(parts: Pick<DiffParts, "temp" | "changes" | "masker">): readonly DiffFile[] {
  const files = diffFiles(parts).filter(({ ofHearth }) => ofHearth !== true);
  return masked(files, (text) => parts.masker.mask(text));
}

function fileOf(
  change: FileChange,
  { temp, changes, masker }: Pick<DiffParts, "temp" | "changes" | "masker">,
): DiffFile {
  const path = textOf(change.path);
  const before = "before" in change ? change.before : undefined;
  const after = "after" in change ? change.after : undefined;
  const diff = contentDiff(change, path, changes.contents, masker);
  return {
    change: change.kind,
    path,
    type: typeOf(after ?? before),
    ...(change.kind === "changed" ? { aspects: change.aspects } : {}),
    ...(before === undefined ? {} : { before: statOf(before) }),
    ...(after === undefined ? {} : { after: statOf(after) }),
    ...(isOfHearth(path, temp) ? { ofHearth: true } : {}),
    ...(diff === undefined ? {} : { diff }),
  };
}

/** Command files, the event and the scripts of steps; what tells a restored machine from others. */
function isOfHearth(path: string, temp: string): boolean {
  if (path === "/run/hearth-boot-id") return true;
  if (!path.startsWith(`${temp}/`)) return false;
  const below = path.slice(temp.length + 1);
  return /^(?:_runner_file_commands|_github_workflow)(?:\/|$)|^[0-9a-f-]{36}\.\w+$/u.test(below);
}

function typeOf(file: SurveyedFile | undefined): DiffFile["type"] {
  if (file === undefined) return "other";
  if (isRegular(file)) return "file";
  if (isDirectory(file)) return "directory";
  return isLink(file) ? "link" : "other";
}

function statOf({ mode, uid, gid, sizeBytes, target }: SurveyedFile): DiffStat {
  const stat = { sizeBytes, mode: (mode & 0o7777).toString(8).padStart(4, "0"), uid, gid };
  return target === undefined ? stat : { ...stat, target: textOf(target) };
}

function processOf({ pid, user, uid, argv, name }: SurveyedProcess): DiffProcess {
  const command = argv.length === 0 ? `[${name}]` : argv.join(" ");
  return { pid, user, uid, command: command.slice(0, MAX_COMMAND_CHARACTERS) };
}

function portOf({ protocol, address, port, pid }: Listener, running: ReadonlyMap<number, SurveyedProcess>): DiffPort {
  const owner = running.get(pid);
  return { protocol, address, port, ...(owner === undefined ? {} : { process: processOf(owner) }) };
}

function requestOf({ step, host, port, allowed, times, reason }: Extract<RunEvent, { type: "egress" }>): DiffRequest {
  return { step, host, port, allowed, times, ...(reason === undefined ? {} : { reason }) };
}

/** Of bytes written as Latin-1. */
function textOf(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}

/** Every text in it that is not one of Hearth's own words, whoever wrote it. */
function masked<T>(value: T, mask: (text: string) => string): T;
function masked(value: unknown, mask: (text: string) => string): unknown {
  if (typeof value === "string") return mask(value);
  if (Array.isArray(value)) return value.map((one) => masked(one, mask));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, OWN_WORDS.has(name) ? one : masked(one, mask)]),
  );
}

const OWN_WORDS: ReadonlySet<string> = new Set(["run", "change", "type", "aspects", "mode", "protocol", "notes"]);
