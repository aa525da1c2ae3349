/**
 * A disk that forgets at a power cut what was not synced. What it may do is what Linux and ext4 may do, or worse:
 * - fsync and fdatasync promise a file's bytes and its size as they are when it returns; of what is written later the page cache writes
 *   any page back at any time and in any order (fsync(2); Documentation/admin-guide/sysctl/vm.rst, dirty_writeback_centisecs), so each
 *   page of 4096 bytes is on the disk as it was at some moment since. A sector of 512 bytes is written whole or not at all, a page is not.
 * - A new size may be there without its bytes, which read as zeros (data=writeback; data=ordered, ext4's default, keeps that from appends).
 * - Names are made, changed and removed in one journal, so that those there are after a cut are those after some change of it, not before
 *   the last change of a directory that was synced (Documentation/filesystems/ext4/journal.rst). ext4 keeps a new file's name with
 *   the fsync of the file too; fsync(2) does not promise it, and this disk does not do it.
 */
import type { DiskRecord } from "./disk-record.ts";

export interface ForgetfulDisk {
  apply(record: DiskRecord): void;
  /** What may be there if the power is cut now: names and contents, drawn by `random` of [0, 1). Changes nothing. */
  afterCut(random: () => number): ReadonlyMap<string, Buffer>;
}

type Change =
  | { readonly kind: "write"; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: "truncate"; readonly sizeBytes: number };

interface File {
  synced: Buffer;
  /** Since then, oldest first. */
  later: Change[];
  sizeBytes: number;
}

type Names = Map<string, File>;

const PAGE_BYTES = 4096;
const SECTOR_BYTES = 512;

export function createForgetfulDisk(): ForgetfulDisk {
  const names: Names = new Map();
  const synced: Names = new Map();
  /** Of names, since the directory was synced, oldest first. */
  let journal: ((names: Names) => void)[] = [];

  const rename = (change: (names: Names) => void): void => {
    change(names);
    journal.push(change);
  };
  const fileAt = (path: string): File => {
    const file = names.get(path);
    if (file === undefined) throw new Error(`the record changes ${path} before it makes it`);
    return file;
  };

  function apply(record: DiskRecord): void {
    switch (record.kind) {
      case "open":
        if (!names.has(record.path)) {
          if (!record.makes) throw new Error(`the record opens ${record.path} before it makes it`);
          const file: File = { synced: Buffer.alloc(0), later: [], sizeBytes: 0 };
          rename((into) => into.set(record.path, file));
        }
        if (record.empties) truncate(fileAt(record.path), 0);
        return;
      case "write": {
        const file = fileAt(record.path);
        const offset = record.offset ?? file.sizeBytes;
        file.later.push({ kind: "write", offset, bytes: record.bytes });
        file.sizeBytes = Math.max(file.sizeBytes, offset + record.bytes.length);
        return;
      }
      case "truncate":
        truncate(fileAt(record.path), record.sizeBytes);
        return;
      case "rename": {
        const file = fileAt(record.path);
        rename((into) => {
          into.delete(record.path);
          into.set(record.to, file);
        });
        return;
      }
      case "remove":
        rename((into) => into.delete(record.path));
        return;
      case "sync": {
        if (record.path === ".") {
          for (const change of journal) change(synced);
          journal = [];
          return;
        }
        const file = fileAt(record.path);
        file.synced = contentOf(file, () => file.later.length);
        file.later = [];
        return;
      }
      case "answer":
        return;
      default:
        record satisfies never;
    }
  }

  function afterCut(random: () => number): ReadonlyMap<string, Buffer> {
    const kept = new Map(synced);
    for (const change of journal.slice(0, upTo(journal.length, random))) change(kept);
    return new Map([...kept].map(([path, file]) => [path, drawn(file, random)]));
  }

  return { apply, afterCut };
}

function truncate(file: File, sizeBytes: number): void {
  if (file.sizeBytes === sizeBytes) return;
  file.later.push({ kind: "truncate", sizeBytes });
  file.sizeBytes = sizeBytes;
}

/** Of 0 to `most`. */
const upTo = (most: number, random: () => number): number => Math.floor(random() * (most + 1));

/** Nothing and everything of what was not synced are drawn as often as the mixtures between. */
function drawn(file: File, random: () => number): Buffer {
  const most = file.later.length;
  switch (upTo(3, random)) {
    case 0:
      return contentOf(file, () => 0);
    case 1:
      return contentOf(file, () => most);
    case 2:
      // Whole pages.
      return contentOf(file, (changes) => upTo(changes, random));
    default:
      return contentOf(file, (changes) => upTo(changes, random), random);
  }
}

/**
 * `momentOf` says for the size and for each page that was changed how many of its changes are there. With `tearing` some sectors of a page
 * are of another moment.
 */
function contentOf({ synced, later }: File, momentOf: (changes: number) => number, tearing?: () => number): Buffer {
  const sizes = [synced.length];
  for (const change of later) {
    sizes.push(change.kind === "truncate" ? change.sizeBytes : Math.max(sizes.at(-1) ?? 0, endOf(change)));
  }
  const longest = Math.max(...sizes);
  const content = Buffer.alloc(Math.ceil(longest / PAGE_BYTES) * PAGE_BYTES);
  synced.copy(content);
  for (const [page, changes] of changesByPage(later, longest)) {
    const at = page * PAGE_BYTES;
    const before = Buffer.from(content.subarray(at, at + PAGE_BYTES));
    const one = pageAfter(before, at, changes.slice(0, momentOf(changes.length)));
    one.copy(content, at);
    if (tearing === undefined) continue;
    const other = pageAfter(before, at, changes.slice(0, momentOf(changes.length)));
    for (let sector = 0; sector < PAGE_BYTES; sector += SECTOR_BYTES) {
      if (tearing() < 0.5) other.copy(content, at + sector, sector, sector + SECTOR_BYTES);
    }
  }
  return content.subarray(0, sizes[momentOf(later.length)]);
}

const endOf = (change: Change): number =>
  change.kind === "truncate" ? change.sizeBytes : change.offset + change.bytes.length;

function changesByPage(later: readonly Change[], longest: number): ReadonlyMap<number, readonly Change[]> {
  const found = new Map<number, Change[]>();
  for (const change of later) {
    const from = change.kind === "truncate" ? change.sizeBytes : change.offset;
    const to = change.kind === "truncate" ? longest : endOf(change);
    for (let page = Math.floor(from / PAGE_BYTES); page * PAGE_BYTES < to; page += 1) {
      const changes = found.get(page) ?? [];
      found.set(page, [...changes, change]);
    }
  }
  return found;
}

function pageAfter(before: Buffer, at: number, changes: readonly Change[]): Buffer {
  const page = Buffer.from(before);
  for (const change of changes) {
    if (change.kind === "truncate") page.fill(0, Math.max(0, change.sizeBytes - at));
    else {
      const from = Math.max(0, at - change.offset);
      change.bytes.copy(page, Math.max(0, change.offset - at), from);
    }
  }
  return page;
}
