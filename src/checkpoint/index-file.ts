/**
 * What makes a checkpoint of the chunks in packs: one file each. Layout: `HEARTHC1`, then three parts behind their lengths (4 bytes, little
 * endian): which packs are used, in plain JSON, so that nobody who lacks the key throws away what is in use; the description, sealed; and
 * the engine's state with the pieces of the machine's files, compressed and sealed. Each part is bound to those before it and to the file's name, so
 * none stands for another checkpoint's.
 */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { array, int, iso, literal, nonnegative, object, regex, safeParse, string, number } from "zod/mini";
import type { infer as Infer } from "zod/mini";
import type { CheckpointDescription, StoredCheckpoint } from "./checkpoint.ts";
import { compress, decompress } from "./compressed.ts";
import { readAt } from "./pack-file.ts";
import { NAME_BYTES, openObject, sealObject } from "./sealed-object.ts";
import type { CheckpointKeys } from "./sealed-object.ts";

const MAGIC = Buffer.from("HEARTHC1");
const REFERENCE_BYTES = 4 + NAME_BYTES;
const ZEROS = 0xffffffff;
/** Of one part: a length beyond it is no length of ours. */
const MAX_PART_BYTES = 1 << 30;

export type Reference =
  | { readonly kind: "zeros"; readonly length: number }
  /** `pack`: which of the packs that the index names, from 0. */
  | { readonly kind: "chunk"; readonly pack: number; readonly name: Buffer };

export interface MachineFile {
  /** Relative, with slashes. */
  readonly path: string;
  readonly bytes: number;
  readonly pieces: number;
}

export interface CheckpointContent {
  readonly engine: Buffer;
  readonly files: readonly MachineFile[];
  /** Of all files, in their order. */
  readonly references: readonly Reference[];
}

/** `packs` hold whatever the description says: they are read without a key. */
export interface CheckpointFront {
  readonly packs: readonly string[];
  /** Undefined where it is another key's, another file's, or was changed. */
  readonly description: StoredCheckpoint | undefined;
}

/** A pack's id, which is its file's name too. */
const PackId = string().check(regex(/^[0-9a-f]{32}$/));
const Packs = object({ format: literal(1), packs: array(PackId) });

const Description = object({
  run: string(),
  job: string(),
  step: int(),
  stepName: string(),
  provider: string(),
  at: iso.datetime({ offset: true }),
  tookMs: number(),
  machineBytes: int().check(nonnegative()),
  /** Of its own pack; 0 where others have all its chunks. */
  packBytes: int().check(nonnegative()),
});

const Files = array(
  object({
    path: string().check(regex(/^(?!\.{1,2}(?:\/|$))[^/\0]+(?:\/(?!\.{1,2}(?:\/|$))[^/\0]+)*$/u)),
    bytes: int().check(nonnegative()),
    pieces: int().check(nonnegative()),
  }),
);

export function encodeIndex(
  stem: string,
  packs: readonly string[],
  description: CheckpointDescription & { readonly machineBytes: number; readonly packBytes: number },
  content: CheckpointContent,
  keys: CheckpointKeys,
): Buffer {
  const plain = Buffer.from(JSON.stringify({ format: 1, packs }));
  const before = beginning(stem, plain);
  const front = sealObject(Buffer.from(JSON.stringify(description)), before, keys);
  const files = Buffer.from(JSON.stringify(content.files));
  const body = Buffer.concat([
    length(files),
    files,
    length(content.engine),
    content.engine,
    ...content.references.map(encode),
  ]);
  const sealed = sealObject(compress(body), Buffer.concat([before, front]), keys);
  return Buffer.concat([MAGIC, length(plain), plain, length(front), front, length(sealed), sealed]);
}

/** Reads no more than the first two parts. Throws what the file system does. */
export function readFront(
  path: string,
  stem: string,
  keys: CheckpointKeys,
): CheckpointFront & { readonly sizeBytes: number } {
  const { parts, sizeBytes } = readParts(path, 2);
  return { ...parseFront(parts, stem, keys, sizeBytes), sizeBytes };
}

/** `content` is undefined where any byte was changed. Throws what the file system does. */
export function readIndex(
  path: string,
  stem: string,
  keys: CheckpointKeys,
): CheckpointFront & { readonly content: CheckpointContent | undefined } {
  const { parts, isWhole, sizeBytes } = readParts(path, 3);
  const front = parseFront(parts, stem, keys, sizeBytes);
  const [plain, description, sealed] = parts;
  if (plain === undefined || description === undefined || sealed === undefined || !isWhole) {
    return { ...front, content: undefined };
  }
  const opened = openObject(sealed, Buffer.concat([beginning(stem, plain), description]), keys);
  const body = opened && decompress(opened, MAX_PART_BYTES);
  return { ...front, content: body && parseContent(body, front.packs.length) };
}

/** Fewer parts where the file is cut or no index. */
function readParts(path: string, count: number): { parts: readonly Buffer[]; isWhole: boolean; sizeBytes: number } {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const sizeBytes = fstatSync(file).size;
    const parts: Buffer[] = [];
    let at = MAGIC.length;
    if (!readAt(file, 0, MAGIC.length).equals(MAGIC)) return { parts, isWhole: false, sizeBytes };
    while (parts.length < count && at + 4 <= sizeBytes) {
      const partBytes = readAt(file, at, 4).readUInt32LE();
      if (partBytes > MAX_PART_BYTES || at + 4 + partBytes > sizeBytes) break;
      parts.push(readAt(file, at + 4, partBytes));
      at += 4 + partBytes;
    }
    return { parts, isWhole: at === sizeBytes, sizeBytes };
  } finally {
    closeSync(file);
  }
}

function parseFront(
  [plain, sealed]: readonly Buffer[],
  stem: string,
  keys: CheckpointKeys,
  sizeBytes: number,
): CheckpointFront {
  const packs = plain && safeParse(Packs, parseJson(plain));
  if (plain === undefined || packs?.success !== true) return { packs: [], description: undefined };
  const opened = sealed && openObject(sealed, beginning(stem, plain), keys);
  return { packs: packs.data.packs, description: opened && parseDescription(parseJson(opened), sizeBytes) };
}

function parseDescription(value: unknown, indexBytes: number): StoredCheckpoint | undefined {
  const parsed = safeParse(Description, value);
  if (!parsed.success) return undefined;
  const { packBytes, ...rest }: Infer<typeof Description> = parsed.data;
  return { ...rest, addedBytes: packBytes + indexBytes };
}

function parseContent(body: Buffer, packs: number): CheckpointContent | undefined {
  const [files, afterFiles] = takePart(body, 0);
  const [engine, afterEngine] = takePart(body, afterFiles);
  const parsed = files && safeParse(Files, parseJson(files));
  if (engine === undefined || parsed?.success !== true) return undefined;
  const references: Reference[] = [];
  for (let at = afterEngine; at + REFERENCE_BYTES <= body.length; at += REFERENCE_BYTES) {
    const pack = body.readUInt32LE(at);
    const name = body.subarray(at + 4, at + REFERENCE_BYTES);
    if (pack === ZEROS) references.push({ kind: "zeros", length: Number(name.readBigUInt64LE()) });
    else if (pack < packs) references.push({ kind: "chunk", pack, name });
    else return undefined;
  }
  return { engine, files: parsed.data, references };
}

function takePart(body: Buffer, at: number): readonly [Buffer | undefined, number] {
  if (at + 4 > body.length) return [undefined, at];
  const end = at + 4 + body.readUInt32LE(at);
  return end > body.length ? [undefined, at] : [body.subarray(at + 4, end), end];
}

function encode(reference: Reference): Buffer {
  const bytes = Buffer.alloc(REFERENCE_BYTES);
  if (reference.kind === "zeros") {
    bytes.writeUInt32LE(ZEROS);
    bytes.writeBigUInt64LE(BigInt(reference.length), 4);
  } else {
    bytes.writeUInt32LE(reference.pack);
    reference.name.copy(bytes, 4);
  }
  return bytes;
}

function beginning(stem: string, plain: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`checkpoint ${stem} `), plain]);
}

function length(part: Buffer): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(part.length);
  return bytes;
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    // What the schema then says.
    return undefined;
  }
}
