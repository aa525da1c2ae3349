/**
 * What a server did to the files of one directory, and which deliveries it answered with 202, in their order: read from what strace(1)
 * has written down. A call that changes such a file and that is not understood here is an error, so that no record has holes.
 * Left out: SQLite's `-shm`, which whoever opens the database first makes anew (sqlite.org/walformat.html, section 2.2).
 */
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

export type DiskRecord =
  /** Made where it is not, emptied where `empties`. */
  | { readonly kind: "open"; readonly path: string; readonly makes: boolean; readonly empties: boolean }
  /** At its end where `offset` is undefined. */
  | { readonly kind: "write"; readonly path: string; readonly offset: number | undefined; readonly bytes: Buffer }
  | { readonly kind: "truncate"; readonly path: string; readonly sizeBytes: number }
  | { readonly kind: "rename"; readonly path: string; readonly to: string }
  | { readonly kind: "remove"; readonly path: string }
  /** Of a file, or of a directory and the names in it. */
  | { readonly kind: "sync"; readonly path: string }
  | { readonly kind: "answer"; readonly delivery: number };

const OPENING = ["open", "openat", "openat2", "creat", "close", "dup", "dup2", "dup3", "lseek"];
const WRITING = ["write", "pwrite64", "writev", "pwritev", "pwritev2", "sendto", "sendmsg", "sendfile", "mmap"];
const SIZING = ["ftruncate", "truncate", "fallocate", "copy_file_range"];
const NAMING = ["rename", "renameat", "renameat2", "unlink", "unlinkat", "link", "linkat", "symlink", "symlinkat"];
const SYNCING = ["fsync", "fdatasync", "sync_file_range", "sync", "syncfs", "msync"];
const CALLS = [...OPENING, ...WRITING, ...SIZING, ...NAMING, ...SYNCING].join(",");

/** With whole data, everything in hexadecimal, each descriptor with its path; added to what the file has. */
export const recordingTo = (file: string): readonly string[] => [
  "-A",
  "-o",
  file,
  "-y",
  "-xx",
  "-s",
  String(2 ** 25),
  "-e",
  `trace=${CALLS}`,
];

/** Throws for what it does not understand. Paths are names in `directory`, the directory itself is ".". */
export function readDiskRecord(file: string, directory: string): readonly DiskRecord[] {
  const records: DiskRecord[] = [];
  const positions = new Map<string, number | "end">();
  for (const call of callsIn(readFileSync(file, "latin1"))) {
    const record = answerIn(call) ?? changeIn(call, directory, positions);
    if (record !== undefined) records.push(record);
  }
  return records;
}

interface Call {
  readonly name: string;
  readonly args: string;
  readonly result: number;
  /** What stands after the result: the path of a new descriptor. */
  readonly rest: string;
}

/** Those that succeeded, each at its end: what a call does is done by then. */
function* callsIn(trace: string): Generator<Call> {
  const begun = new Map<string, string>();
  for (const line of trace.split("\n")) {
    const [, thread = "", said = ""] = /^(\d+) +(.*)$/su.exec(line) ?? [];
    if (/^(?:---|\+\+\+|$)/u.test(said)) continue;
    if (said.endsWith(" <unfinished ...>")) {
      begun.set(thread, said.slice(0, -" <unfinished ...>".length));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>/u.exec(said)?.[0];
    const whole = resumed === undefined ? said : `${begun.get(thread) ?? ""}${said.slice(resumed.length)}`;
    const [, name = "", args = "", result, rest = ""] = /^(\w+)\((.*)\)\s+= (-?\w+|\?)(.*)$/su.exec(whole) ?? [];
    if (name === "") throw new Error(`strace wrote what is no call: ${whole.slice(0, 200)}`);
    if (result !== "?" && Number(result) >= 0) yield { name, args, result: Number(result), rest };
  }
}

function answerIn({ name, args }: Call): DiskRecord | undefined {
  if (!["write", "writev", "sendto", "sendmsg"].includes(name)) return undefined;
  const delivery = /^HTTP\/1\.1 202 .*\{"delivery":(?<id>\d+)/su.exec(textsIn(args).join(""))?.groups?.["id"];
  return delivery === undefined ? undefined : { kind: "answer", delivery: Number(delivery) };
}

/** `positions`: of the descriptors that are open, for writes that name no offset. */
function changeIn(call: Call, directory: string, positions: Map<string, number | "end">): DiskRecord | undefined {
  const { name, args, result, rest } = call;
  const inside = (path: string): string | undefined => {
    if (path === directory) return ".";
    return dirname(path) === directory && !path.endsWith("-shm") ? basename(path) : undefined;
  };
  const descriptor = /^(?<fd>\d+)<(?<path>[^>]*)>(?<gone>\(deleted\))?/u.exec(args)?.groups;
  const touched =
    descriptor === undefined || descriptor["gone"] !== undefined
      ? undefined
      : inside(fromHex(descriptor["path"] ?? ""));
  const fd = `${descriptor?.["fd"]} ${touched}`;
  const [first, second] = pathsIn(name, args).map(inside);
  if ([touched, first, second].every((path) => path === undefined)) return undefined;
  const text = textsIn(args)[0] ?? Buffer.alloc(0);
  const numbers = args
    .replaceAll(/"[^"]*"/gu, "")
    .split(",")
    .map(Number);
  switch (name) {
    case "open":
    case "openat":
    case "creat": {
      const path = inside(fromHex(/<([^>]*)>/u.exec(rest)?.[1] ?? ""));
      if (path === undefined || path === ".") return undefined;
      positions.set(`${result} ${path}`, args.includes("O_APPEND") ? "end" : 0);
      const makes = name === "creat" || args.includes("O_CREAT");
      return { kind: "open", path, makes, empties: name === "creat" || args.includes("O_TRUNC") };
    }
    case "write": {
      const position = positions.get(fd);
      if (position === undefined || touched === undefined) break;
      if (position !== "end") positions.set(fd, position + result);
      const offset = position === "end" ? undefined : position;
      return { kind: "write", path: touched, offset, bytes: text.subarray(0, result) };
    }
    case "pwrite64":
      if (touched === undefined) break;
      return { kind: "write", path: touched, offset: numbers.at(-1), bytes: text.subarray(0, result) };
    case "ftruncate":
      if (touched === undefined) break;
      return { kind: "truncate", path: touched, sizeBytes: numbers.at(-1) ?? 0 };
    case "rename":
      if (first === undefined || second === undefined) break;
      return { kind: "rename", path: first, to: second };
    case "unlink":
      if (first === undefined) break;
      return { kind: "remove", path: first };
    case "fsync":
    case "fdatasync":
      if (touched === undefined) break;
      return { kind: "sync", path: touched };
    case "close":
      return undefined;
    case "mmap":
      if (!args.includes("MAP_SHARED") || !args.includes("PROT_WRITE")) return undefined;
      break;
    default:
  }
  throw new Error(`The record does not know this call on ${touched ?? first ?? second}: ${name}(${args.slice(0, 200)}`);
}

/** Of the calls that name files by paths; the others name them by descriptors. */
function pathsIn(name: string, args: string): string[] {
  const byPath = ["open", "openat", "openat2", "creat", "truncate", ...NAMING].includes(name);
  if (!byPath) return [...args.matchAll(/\d+<([^>]*)>/gu)].slice(1).map(([, path = ""]) => fromHex(path));
  const at = /^\w+<([^>]*)>/u.exec(args)?.[1];
  return textsIn(args).map((path) => join(at === undefined || path[0] === 0x2f ? "/" : fromHex(at), path.toString()));
}

function textsIn(args: string): Buffer[] {
  if (args.includes('"...')) throw new Error("strace cut what was written");
  return [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/gu)].map(([, hex = ""]) => bytesOf(hex));
}

const bytesOf = (hex: string): Buffer => Buffer.from(hex.replaceAll("\\x", ""), "hex");
const fromHex = (hex: string): string => bytesOf(hex).toString();
