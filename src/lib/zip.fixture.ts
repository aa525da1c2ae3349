/** Zip archives byte by byte, honest ones and others. */
import { crc32, deflateRawSync } from "node:zlib";

export interface ZipEntry {
  readonly name: string | Buffer;
  readonly content?: Buffer | string;
  /** Default: deflated. */
  readonly stored?: boolean;
  /** Unix file type and mode. */
  readonly mode?: number;
  /** What the archive claims, where it is not so. */
  readonly claims?: { readonly bytes?: number; readonly compressedBytes?: number; readonly crc32?: number };
  readonly flags?: number;
  readonly method?: number;
  /** Sizes and offset stand in the extra field. */
  readonly zip64?: boolean;
  /** Shares the bytes of the entry before. */
  readonly overlaps?: boolean;
}

export function zipOf(entries: readonly ZipEntry[], claimedCount = entries.length): Buffer {
  const parts: Buffer[] = [];
  const central: Buffer[] = [];
  let [offset, last] = [0, 0];
  for (const entry of entries) {
    const name = Buffer.from(entry.name);
    const content = Buffer.from(entry.content ?? "");
    const packed = entry.stored === true ? content : deflateRawSync(content);
    const { bytes = content.length, compressedBytes = packed.length } = entry.claims ?? {};
    const head = Buffer.alloc(30);
    head.writeUInt32LE(0x04034b50, 0);
    head.writeUInt16LE(name.length, 26);
    if (entry.overlaps !== true) {
      last = offset;
      parts.push(head, name, packed);
      offset += 30 + name.length + packed.length;
    }
    const extra = Buffer.alloc(entry.zip64 === true ? 28 : 0);
    if (entry.zip64 === true) {
      extra.writeUInt16LE(1, 0);
      extra.writeUInt16LE(24, 2);
      [bytes, compressedBytes, last].forEach((value, index) => extra.writeBigUInt64LE(BigInt(value), 4 + 8 * index));
    }
    const short = (value: number): number => (entry.zip64 === true ? 0xffffffff : value);
    const record = Buffer.alloc(46);
    record.writeUInt32LE(0x02014b50, 0);
    record.writeUInt8(entry.mode === undefined ? 0 : 3, 5);
    record.writeUInt16LE(entry.flags ?? 0x800, 8);
    record.writeUInt16LE(entry.method ?? (entry.stored === true ? 0 : 8), 10);
    record.writeUInt32LE(entry.claims?.crc32 ?? crc32(content), 16);
    record.writeUInt32LE(short(compressedBytes), 20);
    record.writeUInt32LE(short(bytes), 24);
    record.writeUInt16LE(name.length, 28);
    record.writeUInt16LE(extra.length, 30);
    record.writeUInt32LE(((entry.mode ?? 0) << 16) >>> 0, 38);
    record.writeUInt32LE(short(last), 42);
    central.push(record, name, extra);
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Math.min(claimedCount, 0xffff), 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([
    ...parts,
    directory,
    ...(claimedCount > 0xffff ? zip64End(claimedCount, directory.length, offset) : []),
    end,
  ]);
}

function zip64End(count: number, directoryBytes: number, directoryOffset: number): Buffer[] {
  const end = Buffer.alloc(56);
  end.writeUInt32LE(0x06064b50, 0);
  [count, count, directoryBytes, directoryOffset].forEach((value, index) =>
    end.writeBigUInt64LE(BigInt(value), 24 + 8 * index),
  );
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(directoryOffset + directoryBytes), 8);
  return [end, locator];
}
