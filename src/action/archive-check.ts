/**
 * Which entries an action's archive may have. Archives are made by strangers and are unpacked in machines, on the host provider on
 * this computer itself: what would land outside, or could make a later entry do so, refuses the whole archive by the entry's name.
 * Nothing is left out silently, as an action without one of its files fails in a stranger way. Pure.
 * Source: SECURITY-RELIABILITY A15 and A16.
 */
import { posix } from "node:path";

export interface ArchiveEntry {
  readonly name: string;
  readonly type: string;
  readonly linkname: string | undefined;
  readonly sizeBytes: number;
}

export type EntryVerdict =
  /** The paths are relative, without `./` and slashes at the end. */
  | { readonly kind: "kept"; readonly name: string; readonly linkname: string | undefined }
  /** The root itself. */
  | { readonly kind: "root" }
  | { readonly kind: "refused"; readonly reason: string };

export interface ArchiveLimits {
  readonly entries: number;
  readonly totalBytes: number;
}

/** Repositories with all their dependencies committed have some ten thousand files. */
export const ARCHIVE_LIMITS: ArchiveLimits = { entries: 200_000, totalBytes: 2 ** 30 };

/** For one archive: what was seen decides about what comes later. `directory`, if any, must be around every entry and is taken off. */
export class ArchiveCheck {
  readonly #limits: ArchiveLimits;
  readonly #directory: string | undefined;
  /** By path as a file system without case would have it, so that no spelling of it hides a link. */
  readonly #seen = new Map<string, "file" | "directory" | "link">();
  #entries = 0;
  #bytes = 0;

  constructor(directory?: string, limits: ArchiveLimits = ARCHIVE_LIMITS) {
    this.#directory = directory;
    this.#limits = limits;
  }

  check(entry: ArchiveEntry): EntryVerdict {
    const { sizeBytes } = entry;
    this.#entries += 1;
    if (this.#entries > this.#limits.entries) return refused(`more than ${this.#limits.entries} entries`);
    this.#bytes += sizeBytes;
    if (!(sizeBytes >= 0) || this.#bytes > this.#limits.totalBytes) {
      return refused(`more than ${this.#limits.totalBytes} bytes`);
    }
    const kind = KINDS[entry.type];
    if (kind === undefined) return refused(`a ${entry.type}`);
    const fault = faultOfPath(entry.name);
    if (fault !== undefined) return refused(fault);
    const name = this.#inside(entry.name);
    if (name === undefined) return refused(`outside ${this.#directory}/`);
    if (name === "") return kind === "directory" ? { kind: "root" } : refused("no name");
    const target = entry.type === "link" ? this.#hardLink(entry.linkname) : symbolicLink(name, kind, entry.linkname);
    if (target.kind === "refused") return target;
    return this.#place(name, kind) ?? { kind: "kept", name, linkname: target.linkname };
  }

  /** Undefined where it is not in the directory that is taken off. */
  #inside(path: string): string | undefined {
    const name = path
      .split("/")
      .filter((part) => part !== "" && part !== ".")
      .join("/");
    if (this.#directory === undefined) return name;
    if (name === this.#directory) return "";
    return name.startsWith(`${this.#directory}/`) ? name.slice(this.#directory.length + 1) : undefined;
  }

  /** Takes the path, unless it leads through a link or a link leads through what is there. */
  #place(name: string, kind: "file" | "directory" | "link"): EntryVerdict | undefined {
    const parts = folded(name).split("/");
    for (let length = 1; length < parts.length; length++) {
      const parent = parts.slice(0, length).join("/");
      const known = this.#seen.get(parent);
      if (known === "link") return refused("below a link");
      if (known === undefined) this.#seen.set(parent, "directory");
    }
    const path = parts.join("/");
    const known = this.#seen.get(path);
    if (known === "link" || (known !== undefined && kind === "link")) return refused("a link where something else is");
    this.#seen.set(path, kind);
    return undefined;
  }

  #hardLink(linkname: string | undefined): LinkVerdict {
    const target = linkname === undefined ? undefined : this.#inside(linkname);
    const isFile = target !== undefined && this.#seen.get(folded(target)) === "file";
    return isFile ? { kind: "link", linkname: target } : refused("a hard link to what is no file before it");
  }
}

type LinkVerdict =
  | { readonly kind: "link"; readonly linkname: string | undefined }
  | Extract<EntryVerdict, { kind: "refused" }>;

const KINDS: Readonly<Record<string, "file" | "directory" | "link">> = {
  file: "file",
  directory: "directory",
  symlink: "link",
  link: "file",
};

const MAX_PATH_CHARACTERS = 4_096;

function faultOfPath(path: string): string | undefined {
  if (path.length > MAX_PATH_CHARACTERS) return "a path that is too long";
  if (path.includes("\0")) return "a path with a NUL";
  if (/^[/\\]|^[a-z]:/iu.test(path)) return "an absolute path";
  const parts = path.split(/[/\\]/u);
  if (parts.includes("..")) return "a path that leads outside";
  // git looks for its repository there, and its configuration names programs.
  if (parts.some((part) => /^(?:\.git|git~\d+)[ .]*$/u.test(folded(part)))) return "a git repository inside";
  return undefined;
}

/**
 * A link may lead up from where it stands and then down, never outside. Down and up again may: through another link a `..` leads
 * where that one points.
 */
function symbolicLink(name: string, kind: string, linkname: string | undefined): LinkVerdict {
  if (kind !== "link") return { kind: "link", linkname: undefined };
  if (linkname === undefined || linkname === "") return refused("a link without a target");
  if (linkname.includes("\0") || linkname.length > MAX_PATH_CHARACTERS) return refused("a link to what is no path");
  const parts = linkname.split("/").filter((part) => part !== "" && part !== ".");
  const down = parts.findIndex((part) => part !== "..");
  const upAgain = down !== -1 && parts.indexOf("..", down) !== -1;
  const target = posix.join(posix.dirname(name), linkname);
  if (linkname.startsWith("/") || upAgain || target === ".." || target.startsWith("../")) {
    return refused(`a link that may lead outside (${JSON.stringify(linkname.slice(0, 100))})`);
  }
  return { kind: "link", linkname };
}

/** As the least distinguishing file system has it: no case, composed characters, none that it ignores. */
function folded(path: string): string {
  return path
    .normalize("NFKC")
    .replaceAll(/\p{Default_Ignorable_Code_Point}/gu, "")
    .toLowerCase();
}

function refused(reason: string): Extract<EntryVerdict, { kind: "refused" }> {
  return { kind: "refused", reason };
}
