/** What `hearth diff` says to a person: what changed, grouped and counted, long lists cut. */
import { counted } from "./counted.ts";
import type { DiffDocument, DiffFile, DiffPort, DiffProcess, DiffRequest, DiffValue } from "./diff-document.ts";
import { plainLines, plainText, truncate } from "./display-text.ts";

/** Lines of one list; the rest is a count. */
const MAX_LINES = 20;
/** A new or removed directory with more in it is one line. */
const MAX_WHOLE = 3;
const MAX_VALUE_COLUMNS = 120;

export function diffLines(document: DiffDocument, showAll: boolean): readonly string[] {
  const { run, job, from, to, steps, notes } = document;
  const did = steps.map(({ number, name }) => `${number} ${truncate(plainText(name), 60)}`).join(", ");
  const groups = [
    filesGroup(document, showAll),
    group("Environment", environmentLines(document), showAll),
    group(
      "Outputs",
      document.outputs.map((one) => valueLine({ ...one, name: `${one.step}.${one.name}` })),
      showAll,
    ),
    group("Processes", signed(document.processes.left, document.processes.gone, processText), showAll),
    group("Listening ports", signed(document.ports.opened, document.ports.closed, portText), showAll),
    group("Network", document.network.map(requestLine), showAll),
  ];
  return [
    `Run ${run}, job ${plainText(job)}, from before step ${from} to before step ${to}`,
    `${steps.length === 1 ? "Step" : "Steps"} ${did}`,
    ...notes.map((note) => `! ${plainText(note)}`),
    ...groups.flatMap((lines) => ["", ...lines]),
  ];
}

function group(title: string, lines: readonly string[], showAll: boolean): readonly string[] {
  if (lines.length === 0) return [`${title}: nothing`];
  return [`${title}: ${lines.length}`, ...cut(lines, showAll)];
}

function cut(lines: readonly string[], showAll: boolean): readonly string[] {
  const shown = showAll || lines.length <= MAX_LINES + 1 ? lines : lines.slice(0, MAX_LINES);
  const more = lines.length - shown.length;
  return [...shown.map((line) => `  ${line}`), ...(more === 0 ? [] : [`  and ${more} more (--all)`])];
}

/** What differs, with what lies in a new or removed directory folded into it; long lists cut. */
export function fileLines(files: readonly DiffFile[], workspace: string, showAll: boolean): readonly string[] {
  const shown = showAll ? files.map((file) => [file]) : folded(files);
  return cut(
    shown.map((some) => fileLine(some, workspace)),
    showAll,
  );
}

function filesGroup({ files, workspace }: DiffDocument, showAll: boolean): readonly string[] {
  const own = files.filter((file) => file.ofHearth === true);
  const others = files.filter((file) => showAll || file.ofHearth !== true);
  const rest = own.length === 0 || showAll ? "" : `; ${own.length} that Hearth writes itself left out (--all)`;
  if (others.length === 0) return [`Files: nothing${rest}`];
  const counts = (["added", "changed", "removed"] as const)
    .map((kind) => [kind, others.filter(({ change }) => change === kind).length] as const)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`);
  const diffs = others.flatMap(({ diff }) => (diff === undefined ? [] : ["", ...plainLines(diff.trimEnd())]));
  return [`Files: ${counts.join(", ")}${rest}`, ...fileLines(others, workspace, showAll), ...diffs];
}

/** What lies in a directory that is wholly new, or wholly gone, stands with it when it is much. Each with the directory first. */
function folded(files: readonly DiffFile[]): readonly (readonly DiffFile[])[] {
  const whole = new Set(
    files.filter(({ change, type }) => change !== "changed" && type === "directory").map(({ path }) => path),
  );
  const groups = new Map<string, DiffFile[]>();
  for (const file of files.toSorted((one, other) => (one.path < other.path ? -1 : 1))) {
    const top = topOf(file.path, whole);
    const known = groups.get(top);
    if (known === undefined) groups.set(top, [file]);
    else known.push(file);
  }
  return [...groups.values()].flatMap((some) => (some.length > MAX_WHOLE + 1 ? [some] : some.map((one) => [one])));
}

/** The outermost of these directories that the path is or lies in; else the path. */
function topOf(path: string, directories: ReadonlySet<string>): string {
  for (let end = path.indexOf("/", 1); end > 0; end = path.indexOf("/", end + 1)) {
    if (directories.has(path.slice(0, end))) return path.slice(0, end);
  }
  return path;
}

function fileLine([file, ...inside]: readonly DiffFile[], workspace: string): string {
  if (file === undefined) return "";
  const { change, path, type, before, after, aspects = [], ofHearth } = file;
  const sign = { added: "+", changed: "~", removed: "-" }[change];
  const stat = after ?? before;
  const name = plainText(path.startsWith(`${workspace}/`) ? path.slice(workspace.length + 1) : path);
  const shown = type === "directory" ? `${name}/` : name;
  const facts =
    change === "changed"
      ? aspects.map((aspect) => aspectText(aspect, file))
      : [
          ...(inside.length > 0 ? [insideText(inside)] : []),
          ...(type === "file" ? [formatSize(stat?.sizeBytes ?? 0)] : []),
          ...(type === "link" ? [`-> ${plainText(stat?.target ?? "")}`] : []),
          ...(type === "other" ? ["neither file nor directory"] : []),
          ...(change === "added" && type !== "link" ? [`mode ${stat?.mode ?? ""}`] : []),
        ];
  return `${sign} ${shown}  ${facts.join(", ")}${ofHearth === true ? ", Hearth's own" : ""}`.trimEnd();
}

function insideText(inside: readonly DiffFile[]): string {
  const files = inside.filter(({ type }) => type !== "directory");
  const bytes = files.reduce((sum, { before, after }) => sum + ((after ?? before)?.sizeBytes ?? 0), 0);
  return `${counted(files.length, "file")} in it, ${formatSize(bytes)}`;
}

function aspectText(aspect: NonNullable<DiffFile["aspects"]>[number], { before, after }: DiffFile): string {
  const [was, is] = [before, after];
  if (was === undefined || is === undefined) return aspect;
  switch (aspect) {
    case "mode":
      return `mode ${was.mode} -> ${is.mode}`;
    case "owner":
      return `owner ${was.uid}:${was.gid} -> ${is.uid}:${is.gid}`;
    case "target":
      return `target ${plainText(was.target ?? "")} -> ${plainText(is.target ?? "")}`;
    case "content":
      return was.sizeBytes === is.sizeBytes
        ? `content, ${formatSize(is.sizeBytes)} as before`
        : `content, ${formatSize(was.sizeBytes)} -> ${formatSize(is.sizeBytes)}`;
    default:
      return `another type of file`;
  }
}

function environmentLines({ env, path }: DiffDocument): readonly string[] {
  return [
    ...env.map(valueLine),
    ...path.added.map((entry) => `+ PATH ${shortened(entry)}`),
    ...path.removed.map((entry) => `- PATH ${shortened(entry)}`),
  ];
}

function valueLine({ name, before, after }: DiffValue): string {
  if (before === undefined) return `+ ${plainText(name)}=${shortened(after ?? "")}`;
  if (after === undefined) return `- ${plainText(name)}`;
  return `~ ${plainText(name)}=${shortened(before)} -> ${shortened(after)}`;
}

function signed<T>(added: readonly T[], removed: readonly T[], text: (one: T) => string): readonly string[] {
  return [...added.map((one) => `+ ${text(one)}`), ...removed.map((one) => `- ${text(one)}`)];
}

function processText({ pid, user, uid, command }: DiffProcess): string {
  return `${pid} ${plainText(user) || uid}  ${shortened(command)}`;
}

function portText({ protocol, address, port, process }: DiffPort): string {
  const place = `${protocol} ${address.includes(":") ? `[${address}]` : address}:${port}`;
  return process === undefined ? place : `${place}  ${processText(process)}`;
}

function requestLine({ step, host, port, allowed, times, reason }: DiffRequest): string {
  const place = port === 0 ? host : `${host}:${port}`;
  const why = reason === undefined ? "" : `, ${reason}`;
  return plainText(`step ${step}: ${place}  ${allowed ? "allowed" : "refused"}, ${counted(times, "time")}${why}`);
}

/** A value may have many lines. */
function shortened(text: string): string {
  return truncate(plainLines(text).join("⏎"), MAX_VALUE_COLUMNS);
}

function formatSize(sizeBytes: number): string {
  if (sizeBytes < 1 << 10) return `${sizeBytes} B`;
  return sizeBytes < 1 << 20
    ? `${(sizeBytes / (1 << 10)).toFixed(1)} KiB`
    : `${(sizeBytes / (1 << 20)).toFixed(1)} MiB`;
}
