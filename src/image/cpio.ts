/**
 * Writes cpio archives in the "newc" form that Linux unpacks as its initial file system (kernel documentation,
 * "initramfs buffer format"). Archives written one after another are unpacked one after another, later files winning,
 * which is how a machine's own files follow a shared base. The same entries always give the same bytes.
 */
import { unreachable } from "../lib/unreachable.ts";

export type CpioEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | { readonly kind: "file"; readonly path: string; readonly mode: number; readonly content: Uint8Array }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

const REGULAR = 0o100000;
const DIRECTORY = 0o040000;
const SYMBOLIC_LINK = 0o120000;

/** Everything belongs to root and has no time. Parents must come before what is in them; paths are relative, without `..`. */
export function writeCpio(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.flatMap((entry, index) => {
    assertPlainPath(entry.path);
    return member(entry.path, index + 1, typeAndMode(entry), contentOf(entry));
  });
  parts.push(...member("TRAILER!!!", 0, 0, new Uint8Array()));
  return Buffer.concat(parts);
}

function typeAndMode(entry: CpioEntry): number {
  switch (entry.kind) {
    case "directory":
      return DIRECTORY | entry.mode;
    case "file":
      return REGULAR | entry.mode;
    case "link":
      return SYMBOLIC_LINK | 0o777;
    default:
      return unreachable(entry);
  }
}

function contentOf(entry: CpioEntry): Uint8Array {
  switch (entry.kind) {
    case "directory":
      return new Uint8Array();
    case "file":
      return entry.content;
    case "link":
      return Buffer.from(entry.target);
    default:
      return unreachable(entry);
  }
}

/** Name and content each begin on a multiple of four bytes, and so does what follows. */
function member(path: string, inode: number, mode: number, content: Uint8Array): Uint8Array[] {
  const name = Buffer.from(`${path}\0`);
  const fields = [
    inode,
    mode,
    0, // uid
    0, // gid
    (mode & DIRECTORY) === DIRECTORY ? 2 : 1, // links
    0, // mtime
    content.byteLength,
    0, // device that holds the file, major and minor
    0,
    0, // device that the file is
    0,
    name.byteLength,
    0, // checksum, unused in this form
  ];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
  return [header, name, padding(header.byteLength + name.byteLength), content, padding(content.byteLength)];
}

function padding(sizeBytes: number): Buffer {
  return Buffer.alloc((4 - (sizeBytes % 4)) % 4);
}

function assertPlainPath(path: string): void {
  const names = path.split("/");
  if (path.includes("\0") || names.some((name) => name === "" || name === "." || name === "..")) {
    throw new Error(`Not a plain relative path for a cpio archive: ${JSON.stringify(path)}`);
  }
}
