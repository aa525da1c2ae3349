/**
 * Looks at the machine that it is started in and prints what is there: its last argument says what (`Wish`). Hearth starts it as root in
 * a restored copy of a machine, with Hearth's own Node and this text as an argument, so that nothing of the image takes part: no shell, no `find`, no
 * `ps`. Other processes are stopped first, so that what is seen is one moment. Node alone is imported, and types are only to be erased.
 *
 * Standard output is a gzip stream of JSON arrays, a line each; `survey.ts` reads them. Names are bytes, written as Latin-1.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  writeSync,
} from "node:fs";
import type { Stats } from "node:fs";
import { gzipSync } from "node:zlib";

/** As in `survey.ts`. */
type Wish =
  | {
      readonly kind: "look";
      readonly roots: readonly string[];
      readonly skip: readonly string[];
      readonly layered: readonly {
        readonly path: string;
        readonly unchangedBeforeMs: number;
        readonly lower: string | undefined;
      }[];
      readonly maxEntries: number;
    }
  | { readonly kind: "read"; readonly paths: readonly string[]; readonly maxBytes: number };

const PIECE_CHARACTERS = 1 << 20;
const READ_BYTES = 256 << 10;
const SLASH = Buffer.from("/");
/** File systems that hold what the kernel makes up, wherever they are mounted. */
const MADE_UP =
  /^(?:proc|sysfs|cgroup2?|devpts|securityfs|debugfs|tracefs|bpf|nsfs|pstore|binfmt_misc|configfs|mqueue)$/u;
/** TCP_LISTEN; a UDP socket that is bound and connected to nobody is TCP_CLOSE. */
const LISTENS: Readonly<Record<string, string>> = { tcp: "0A", tcp6: "0A", udp: "07", udp6: "07" };

let text = "";
// The kernel takes 128 KiB in one argument.
const wish: Wish = JSON.parse(process.argv.slice(1).join(""));
// Elsewhere than in a guest the processes that it stops would be somebody's.
if (!(textOf(`/proc/${process.ppid}/cmdline`) ?? "").includes("/opt/hearth/agent.")) throw new Error("not in a guest");
stopOthers();
if (wish.kind === "look") look(wish);
else read(wish);
flush();

function say(...line: readonly unknown[]): void {
  text += `${JSON.stringify(line)}\n`;
  if (text.length > PIECE_CHARACTERS) flush();
}

/** Members of a gzip stream may follow one another. */
function flush(): void {
  const bytes = gzipSync(Buffer.from(text, "utf8"), { level: 1 });
  text = "";
  for (let from = 0; from < bytes.length;) from += writeSync(1, bytes, from);
}

/** Twice, as one may have started another meanwhile; a process cannot refuse. Not those by which the host is answered. */
function stopOthers(): void {
  const spared = new Set([1, process.pid, process.ppid]);
  for (let round = 0; round < 2; round += 1) {
    for (const pid of processIds()) {
      if (spared.has(pid) || (textOf(`/proc/${pid}/cmdline`) ?? "").includes("/opt/hearth/")) continue;
      try {
        process.kill(pid, "SIGSTOP");
      } catch {
        // It has ended, or is the kernel's own.
      }
    }
  }
}

function look({ roots, skip, layered, maxEntries }: Extract<Wish, { kind: "look" }>): void {
  lookAtProcesses();
  const mounts = mountPoints();
  const layers = new Map<number, Layer>();
  for (const { path, unchangedBeforeMs, lower } of clockIsFixed() ? layered : []) {
    // Of 9p is what the host shows, and nothing that a process of the guest could mount there.
    const known = lower !== undefined && mounts.get(lower) === "9p" ? lower : undefined;
    if (mounts.get(path) === "overlay")
      layers.set(lstatSync(path).dev, { path, beforeMs: unchangedBeforeMs, lower: known });
  }
  const left = new Set([...skip, ...[...mounts].filter(([, type]) => MADE_UP.test(type)).map(([path]) => path)]);
  const count = walk(roots, left, { layers, mounts: [...mounts.keys()] }, maxEntries);
  say("end", count, count >= maxEntries);
}

/**
 * Writing below a directory of an overlay's lower layer first makes it anew in the upper one, and all those around it, with the time
 * of then as its ctime, which nobody can set but who sets the clock.
 */
interface Layer {
  readonly path: string;
  readonly beforeMs: number;
  readonly lower: string | undefined;
}

interface Prune {
  /** By device. */
  readonly layers: ReadonlyMap<number, Layer>;
  readonly mounts: readonly string[];
}

/** No process of this machine may set the clock: CAP_SYS_TIME, 25, is not among what it can ever have. */
function clockIsFixed(): boolean {
  const all = [1, process.pid].map((pid) => /^CapBnd:\s+([0-9a-f]+)$/mu.exec(textOf(`/proc/${pid}/status`) ?? "")?.[1]);
  return all.every((bits) => bits !== undefined && (BigInt(`0x${bits}`) & (1n << 25n)) === 0n);
}

/** Type of the file system by mount point; the last one mounted there counts. */
function mountPoints(): ReadonlyMap<string, string> {
  const lines = (textOf("/proc/self/mountinfo") ?? "").split("\n").filter((line) => line !== "");
  return new Map(
    lines.map((line) => {
      const fields = line.split(" ");
      const escaped = fields[4] ?? "";
      const path = escaped.replaceAll(/\\(\d{3})/gu, (_, octal) => String.fromCodePoint(Number.parseInt(octal, 8)));
      return [path, fields[fields.indexOf("-", 6) + 1] ?? ""];
    }),
  );
}

/** A line for each directory, then one for each that is in it. */
function walk(roots: readonly string[], skip: ReadonlySet<string>, prune: Prune, maxEntries: number): number {
  const waiting = roots.map((root) => Buffer.from(root, "latin1"));
  let count = 0;
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    const inside = directory.length === 1 ? directory : Buffer.concat([directory, SLASH]);
    const names = namesIn(directory);
    if (names.length > 0) say("d", directory.toString("latin1"));
    for (const name of names) {
      if (count >= maxEntries) return count;
      const path = Buffer.concat([inside, name]);
      const key = path.toString("latin1");
      if (skip.has(key)) continue;
      const stat = orUndefined(() => lstatSync(path));
      if (stat === undefined) continue;
      count += 1;
      const target = stat.isSymbolicLink() ? [orUndefined(() => readlinkSync(path, "buffer"))?.toString("latin1")] : [];
      const { mode, uid, gid, size, mtimeMs, ctimeMs, rdev } = stat;
      say("f", name.toString("latin1"), mode, uid, gid, isDevice(stat) ? rdev : size, mtimeMs, ctimeMs, ...target);
      if (!stat.isDirectory()) continue;
      if (isUntouched(stat, key, prune)) say("s", key);
      else waiting.push(path);
    }
  }
  return count;
}

function isUntouched({ dev, ctimeMs }: Stats, key: string, { layers, mounts }: Prune): boolean {
  const layer = layers.get(dev);
  if (layer === undefined || mounts.some((mount) => mount === key || mount.startsWith(`${key}/`))) return false;
  if (ctimeMs < layer.beforeMs) return true;
  const { lower, path } = layer;
  if (lower === undefined || !key.startsWith(`${path}/`)) return false;
  const below = Buffer.from(lower + key.slice(path.length), "latin1");
  return orUndefined(() => lstatSync(below))?.ctimeMs === ctimeMs;
}

function isDevice(stat: Stats): boolean {
  return stat.isCharacterDevice() || stat.isBlockDevice();
}

function namesIn(directory: Buffer): readonly Buffer[] {
  return orUndefined(() => readdirSync(directory, { encoding: "buffer" })) ?? [];
}

function lookAtProcesses(): void {
  const users = new Map<string, string>();
  for (const line of (textOf("/etc/passwd") ?? "").split("\n")) {
    const [name = "", , uid = ""] = line.split(":");
    if (!users.has(uid)) users.set(uid, name);
  }
  const owners = new Map<string, number>();
  for (const pid of processIds()) {
    const stat = textOf(`/proc/${pid}/stat`);
    if (pid === process.pid || stat === undefined) continue;
    // The name, in parentheses, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const argv = (textOf(`/proc/${pid}/cmdline`) ?? "").split("\0").slice(0, -1);
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    const uid = /^Uid:\s+(\d+)/mu.exec(textOf(`/proc/${pid}/status`) ?? "")?.[1] ?? "";
    const [state, parent] = fields;
    // A process that has ended and whose parent has not asked, and the kernel's own threads.
    if (state === "Z" || parent === "2" || (pid === 2 && parent === "0" && argv.length === 0)) continue;
    for (const inode of socketsOf(pid)) if (!owners.has(inode)) owners.set(inode, pid);
    say(
      "p",
      pid,
      Number(parent),
      Number(fields[19]),
      Number(uid),
      users.get(uid) ?? "",
      name,
      argv.join("\0").slice(0, 4096),
    );
  }
  for (const [protocol, listens] of Object.entries(LISTENS)) {
    for (const line of (textOf(`/proc/net/${protocol}`) ?? "").split("\n").slice(1)) {
      const [, local, remote, state, , , , uid, , inode] = line.trim().split(/\s+/u);
      if (state !== listens || local === undefined || remote?.endsWith(":0000") !== true) continue;
      say("l", protocol, local, Number(uid), owners.get(inode ?? "") ?? 0);
    }
  }
}

function processIds(): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/u.test(name))
    .map(Number);
}

function socketsOf(pid: number): readonly string[] {
  const names = orUndefined(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  return names.flatMap((name) => {
    const inode = /^socket:\[(\d+)\]$/u.exec(orUndefined(() => readlinkSync(`/proc/${pid}/fd/${name}`)) ?? "")?.[1];
    return inode === undefined ? [] : [inode];
  });
}

/** A line for each path, in their order. */
function read({ paths, maxBytes }: Extract<Wish, { kind: "read" }>): void {
  for (const path of paths) {
    const found = orUndefined(() => contentOf(Buffer.from(path, "latin1"), maxBytes));
    say("c", found?.digest ?? null, found?.content?.toString("base64") ?? null);
  }
  say("end", paths.length, false);
}

function contentOf(path: Buffer, maxBytes: number): { readonly digest: string; readonly content: Buffer | undefined } {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    const { size } = fstatSync(file);
    const hash = createHash("sha256");
    const kept: Buffer[] = [];
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (let all = 0; all < size;) {
      const got = readSync(file, buffer, 0, buffer.length, null);
      if (got === 0) break;
      all += got;
      const piece = buffer.subarray(0, got);
      hash.update(piece);
      if (size <= maxBytes) kept.push(Buffer.from(piece));
    }
    return { digest: hash.digest("hex"), content: size <= maxBytes ? Buffer.concat(kept) : undefined };
  } finally {
    closeSync(file);
  }
}

function textOf(path: string): string | undefined {
  return orUndefined(() => readFileSync(path, "utf8"));
}

/** What is gone by the time it is looked at is not there. */
function orUndefined<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
