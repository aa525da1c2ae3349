/**
 * Five secrets that can be told from everything else, the fourteen ways in which they may turn up (SECURITY-RELIABILITY 3.1), and the
 * search for them in bytes. Written without a look at how the masker makes its forms: it is what they are checked by.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import { readZipEntries, readZipEntry } from "../../src/lib/zip-entries.ts";

export const CANARIES: { readonly [name: string]: string } = {
  CANARY_ASCII: "canary-A7f3Kq9ZbT2xWm5R",
  CANARY_PEM: [
    "-----BEGIN CANARY KEY-----",
    "MIICanaryLineOneQ8w7E6r5T4y3U2i1",
    "MIICanaryLineTwoZ9x8C7v6B5n4M3a2",
    "-----END CANARY KEY-----",
  ].join("\n"),
  CANARY_JSON: '{"user":"canary-json","key":"Jq\\"4tY/8uI0"}',
  CANARY_URL: "canary?p=1&q=2#f/3+4 5%6'7\"8<9>",
  CANARY_UTF8: "canary-schlüssel-ключ-鍵-🔑-end",
};

type Encoding = (value: string) => string;

const uri: Encoding = encodeURIComponent;
const base64 = (value: string, prefix: string): string => Buffer.from(`${prefix}${value} tail`).toString("base64");

/** What a program prints that has got the secret, by the name of the encoding. */
export const ENCODINGS: { readonly [name: string]: Encoding } = {
  plain: (value) => value,
  base64: (value) => Buffer.from(value).toString("base64"),
  "base64 after one byte": (value) => base64(value, "x"),
  "base64 after two bytes": (value) => base64(value, "xy"),
  base64url: (value) => Buffer.from(value).toString("base64url"),
  hex: (value) => Buffer.from(value).toString("hex"),
  "upper-case hex": (value) => Buffer.from(value).toString("hex").toUpperCase(),
  "URL component": uri,
  "URL form": (value) => uri(value).replaceAll("%20", "+"),
  JSON: (value) => JSON.stringify(value),
  "ASCII JSON": (value) =>
    JSON.stringify(value).replaceAll(
      /[\u0080-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    ),
  XML: (value) =>
    value
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      .replaceAll('"', "&quot;")
      .replaceAll("'", "&apos;"),
  "shell quotes": (value) => `'${value.replaceAll("'", `'\\''`)}'`,
  "shell backslashes": (value) => value.replaceAll(/[^\w@%+=:,./-]/gu, (character) => `\\${character}`),
};

interface Needle {
  readonly what: string;
  readonly bytes: Buffer;
}

/** By what a leak is known: the whole of each encoding, and for what is printed in lines each line that is telling. */
export const NEEDLES: readonly Needle[] = Object.entries(CANARIES).flatMap(([name, value]) =>
  Object.entries(ENCODINGS).flatMap(([encoding, encode]) =>
    tellingParts(value, encode).map((text) => ({ what: `${name}, ${encoding}`, bytes: Buffer.from(text) })),
  ),
);

/** Lines of PEM that are not the secret's own say nothing; ends of base64 depend on what stands beside. */
function tellingParts(value: string, encode: Encoding): readonly string[] {
  const encoded = encode(value);
  const inner = encode === ENCODINGS["base64 after one byte"] || encode === ENCODINGS["base64 after two bytes"];
  if (inner) return [encoded.slice(4, -12)];
  if (!encoded.includes("\n")) return [encoded];
  return encoded.split("\n").filter((line) => line.length >= 12 && !line.startsWith("-----"));
}

/** Names of what is found. */
export function leaksIn(bytes: Buffer): readonly string[] {
  return [...new Set(NEEDLES.filter((needle) => bytes.includes(needle.bytes)).map(({ what }) => what))];
}

/** `file: canary, encoding` of every file below, with what is packed in it. */
export async function leaksBelow(directory: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    const path = join(directory, name);
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) continue;
    const place = relative(directory, path);
    found.push(...leaksIn(Buffer.from(place)).map((what) => `name of ${place}: ${what}`));
    // Through JSON too: a backslash or a quote stands there differently.
    for (const bytes of await unpacked(readFileSync(path)))
      found.push(...[...leaksIn(bytes), ...leaksIn(saidInJson(bytes))].map((what) => `${place}: ${what}`));
  }
  return [...new Set(found)];
}

/** Every text that stands in lines of JSON. */
export function saidInJson(bytes: Buffer): Buffer {
  const texts: string[] = [];
  const collect = (key: string, value: unknown): unknown => {
    texts.push(key, ...(typeof value === "string" ? [value] : []));
    return value;
  };
  for (const line of bytes.toString("utf8").split("\n")) {
    try {
      if (/^[{["]/.test(line)) JSON.parse(line, collect);
    } catch {
      // It is none.
    }
  }
  return Buffer.from(texts.join("\n"));
}

/** The bytes themselves, and what any of the usual packers made them of. */
async function unpacked(bytes: Buffer): Promise<readonly Buffer[]> {
  const all = [bytes];
  for (const unpack of [gunzipSync, zstdDecompressSync, brotliDecompressSync]) {
    try {
      all.push(unpack(bytes));
    } catch {
      // It is not packed so.
    }
  }
  if (bytes.subarray(0, 2).toString() === "PK") all.push(...(await unzipped(bytes)));
  return all;
}

async function unzipped(bytes: Buffer): Promise<readonly Buffer[]> {
  const zip = {
    sizeBytes: bytes.length,
    async *read(from: number, to: number) {
      yield bytes.subarray(from, to);
    },
  };
  const contents: Buffer[] = [];
  for (const entry of await readZipEntries(zip)) {
    const chunks: Buffer[] = [];
    for await (const chunk of readZipEntry(zip, entry)) chunks.push(Buffer.from(chunk));
    contents.push(Buffer.from(entry.path), Buffer.concat(chunks));
  }
  return contents;
}
