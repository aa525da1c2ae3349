/**
 * What `guest-program/main.mts` saw of a machine, read from its lines. The machine may be a stranger's: every line is checked, and what
 * does not belong ends the reading.
 */
import { boolean, int, literal, nullable, number, safeParse, string, tuple, union } from "zod/mini";
import type { ZodMiniType } from "zod/mini";
import { EngineError } from "../lib/engine-error.ts";

/** Told to the program as JSON; paths are bytes written as Latin-1. */
export type SurveyWish =
  | {
      readonly kind: "look";
      readonly roots: readonly string[];
      /** Neither shown nor entered. */
      readonly skip: readonly string[];
      /** Overlays whose directories need not be entered where nobody has written below them. */
      readonly layered: readonly Layered[];
      readonly maxEntries: number;
    }
  | { readonly kind: "read"; readonly paths: readonly string[]; readonly maxBytes: number };

interface Layered {
  /** Where it is mounted. */
  readonly path: string;
  /** As `Date.now()`, when all of the lower layer was there and nothing was written; 0: not known. */
  readonly unchangedBeforeMs: number;
  /** Where the host shows the lower layer alone. */
  readonly lower: string | undefined;
}

export interface SurveyedFile {
  /** As `lstat` has it, with the type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of a device its number. */
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  /** Of a symbolic link; Latin-1. */
  readonly target?: string;
}

export interface SurveyedProcess {
  readonly pid: number;
  readonly parent: number;
  /** Clock ticks from the machine's start: with the pid it is one process and no other. */
  readonly startedTicks: number;
  readonly uid: number;
  /** As the machine's /etc/passwd has it; empty where it has none. */
  readonly user: string;
  readonly name: string;
  readonly argv: readonly string[];
}

export interface Listener {
  readonly protocol: "tcp" | "udp";
  readonly address: string;
  readonly port: number;
  readonly uid: number;
  /** 0 where it is not known. */
  readonly pid: number;
}

export interface Survey {
  /** By path, in Latin-1. */
  readonly files: Map<string, SurveyedFile>;
  /** Directories that were not entered, as nobody has written below them. */
  readonly untouched: Set<string>;
  readonly processes: readonly SurveyedProcess[];
  readonly listeners: readonly Listener[];
  /** There was more than `maxEntries`. */
  readonly isCut: boolean;
}

export interface FileContent {
  /** SHA-256 in hex; undefined where it could not be read. */
  readonly digest: string | undefined;
  /** Absent where it is larger than was asked for. */
  readonly content: Buffer | undefined;
}

export function parseSurvey(lines: Iterable<string>): Survey {
  const files = new Map<string, SurveyedFile>();
  const untouched = new Set<string>();
  const processes: SurveyedProcess[] = [];
  const listeners: Listener[] = [];
  let directory = "";
  let end: readonly [string, number, boolean] | undefined;
  for (const text of lines) {
    const line = expectArray(text);
    switch (end === undefined ? line[0] : undefined) {
      case "d":
        directory = String(line[1]);
        break;
      case "f": {
        const name = String(line[1]);
        files.set(directory === "/" ? `/${name}` : `${directory}/${name}`, fileOf(line));
        break;
      }
      case "s":
        untouched.add(String(line[1]));
        break;
      case "p":
        processes.push(processOf(line));
        break;
      case "l":
        listeners.push(listenerOf(line));
        break;
      case "end":
        end = checked(EndLine, line);
        break;
      default:
        throw unreadable();
    }
  }
  if (end === undefined) throw unreadable();
  return { files, untouched, processes, listeners, isCut: end[2] };
}

/** One for each path that was asked for. */
export function parseContents(lines: Iterable<string>, count: number): readonly FileContent[] {
  const all = [...lines].map(expectArray);
  if (all.length !== count + 1 || all.at(-1)?.[0] !== "end") throw unreadable();
  return all.slice(0, count).map((line) => {
    const [, digest, content] = checked(ContentLine, line);
    return { digest: digest ?? undefined, content: content === null ? undefined : Buffer.from(content, "base64") };
  });
}

export function unreadable(): EngineError {
  return new EngineError("GUEST_PROTOCOL", "Cannot read what the machine says of its files and processes");
}

const EndLine = tuple([literal("end"), int(), boolean()]);
const ContentLine = tuple([literal("c"), nullable(string()), nullable(string())]);
const ProcessLine = tuple([literal("p"), int(), int(), number(), int(), string(), string(), string()]);
const protocols = union([literal("tcp"), literal("tcp6"), literal("udp"), literal("udp6")]);
const ListenerLine = tuple([literal("l"), protocols, string(), int(), int()]);

function expectArray(text: string): readonly unknown[] {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    throw unreadable();
  }
  if (!Array.isArray(line)) throw unreadable();
  return line;
}

/** By hand: there may be a million of them. */
function fileOf(line: readonly unknown[]): SurveyedFile {
  const [, name, mode, uid, gid, sizeBytes, mtimeMs, ctimeMs, target] = line;
  const numbers = [mode, uid, gid, sizeBytes, mtimeMs, ctimeMs].filter((one) => typeof one === "number");
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = numbers;
  if (typeof name !== "string" || numbers.length !== 6) throw unreadable();
  const file = { mode: a, uid: b, gid: c, sizeBytes: d, mtimeMs: e, ctimeMs: f };
  return typeof target === "string" ? { ...file, target } : file;
}

function processOf(line: readonly unknown[]): SurveyedProcess {
  const [, pid, parent, startedTicks, uid, user, name, argv] = checked(ProcessLine, line);
  return { pid, parent, startedTicks, uid, user, name, argv: argv === "" ? [] : argv.split("\0") };
}

function listenerOf(line: readonly unknown[]): Listener {
  const [, protocol, local, uid, pid] = checked(ListenerLine, line);
  const [, address = "", port = ""] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/u.exec(local) ?? [];
  if (address === "") throw unreadable();
  const kind = protocol.startsWith("tcp") ? "tcp" : "udp";
  return { protocol: kind, address: addressOf(address), port: Number.parseInt(port, 16), uid, pid };
}

/** As /proc/net writes it: words of four bytes, the lowest first. */
function addressOf(hex: string): string {
  const bytes = (hex.match(/.{8}/gu) ?? []).flatMap((word) =>
    (word.match(/../gu) ?? []).map((byte) => Number.parseInt(byte, 16)).toReversed(),
  );
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)).toString(16),
  );
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

function checked<T>(shape: ZodMiniType<T>, line: unknown): T {
  const parsed = safeParse(shape, line);
  if (!parsed.success) throw unreadable();
  return parsed.data;
}
