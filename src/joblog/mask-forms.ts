/**
 * The forms in which a secret turns up in a log: as it is, and as common programs write it. A form hides nothing new by itself;
 * it is one more text to look for. Source: ACTIONS-CONTRACT §2.5 (the eleven of GitHub's runner); the others are ours, each
 * for a way that a secret has been seen to leak by mistake (SECURITY-RELIABILITY A19).
 *
 * Not covered, because no list of texts could: compressed, encrypted, reversed or re-cased secrets, and pieces of one.
 */

/** Our own forms are longer than this or not looked for: the hex digits of a one-letter secret would hide half the log. */
const MIN_OWN_FORM_LENGTH = 8;

/** Line lengths of programs that wrap their output: `base64` and MIME; PEM and `openssl base64`; `xxd -p`. */
const BASE64_WRAPS = [76, 64];
const HEX_WRAP = 60;

/** Without duplicates and never empty; the value itself comes first. */
export function maskForms(value: string): readonly string[] {
  const forms = new Set([value]);
  for (const form of githubForms(value)) if (form !== "") forms.add(form);
  for (const form of ownForms(value)) if (form.length >= MIN_OWN_FORM_LENGTH) forms.add(form);
  return [...forms];
}

function githubForms(value: string): readonly string[] {
  const bytes = Buffer.from(value);
  return [
    bytes.toString("base64"),
    shifted(bytes, 1).toString("base64"),
    shifted(bytes, 2).toString("base64"),
    value.replaceAll('"', '\\"'),
    value.replaceAll("'", "''"),
    json(value),
    uriData(value),
    xmlAttribute(value),
    withoutQuotes(value),
    upToAmpersand(value),
    afterAmpersand(value),
  ];
}

function ownForms(value: string): readonly string[] {
  const bytes = Buffer.from(value);
  const base64 = [0, 1, 2].map((count) => stableBase64(bytes.subarray(count)));
  const hex = bytes.toString("hex");
  const uri = [uriData(value), encodeURIComponent(value.toWellFormed())];
  return [
    ...base64,
    ...base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")),
    bytes.toString("base64url"),
    hex,
    hex.toUpperCase(),
    ...BASE64_WRAPS.flatMap((width) => wrapped(stableBase64(bytes), width)),
    ...wrapped(hex, HEX_WRAP),
    ...uri,
    ...uri.map((text) => text.replaceAll(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())),
    ...uri.map((text) => text.replaceAll("%20", "+")),
    uriData(value).replaceAll("%2F", "/"),
    asciiJson(value),
    xmlText(value),
    value.replaceAll("'", `'\\''`),
    value.replaceAll(/[^\w@%+=:,./-]/gu, (character) => `\\${character}`),
  ];
}

/** GitHub's: a value too short to be shifted is encoded as a whole. */
function shifted(bytes: Buffer, count: number): Buffer {
  return bytes.length > count ? bytes.subarray(count) : bytes;
}

/** The part of the base64 that stays the same whatever follows these bytes: no padding, and no digit shared with a next byte. */
function stableBase64(bytes: Buffer): string {
  return bytes.toString("base64").slice(0, Math.floor((bytes.length * 8) / 6));
}

function wrapped(text: string, width: number): readonly string[] {
  if (text.length <= width) return [];
  return Array.from({ length: Math.ceil(text.length / width) }, (_, row) => text.slice(row * width, (row + 1) * width));
}

/** As Newtonsoft writes it, without the quotes. */
function json(value: string): string {
  return JSON.stringify(value)
    .slice(1, -1)
    .replaceAll(/[\u0085\u2028\u2029]/g, unicodeEscape);
}

function asciiJson(value: string): string {
  return JSON.stringify(value)
    .slice(1, -1)
    .replaceAll(/[^\0-\u007f]/g, unicodeEscape);
}

function unicodeEscape(character: string): string {
  return [...Array(character.length).keys()]
    .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`)
    .join("");
}

/** RFC 3986, as .NET's `Uri.EscapeDataString`: more than `encodeURIComponent` escapes. */
function uriData(value: string): string {
  return encodeURIComponent(value.toWellFormed()).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function xmlText(value: string): string {
  return value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function xmlAttribute(value: string): string {
  return xmlText(value).replaceAll('"', "&quot;").replaceAll("'", "&apos;");
}

function withoutQuotes(value: string): string {
  return value.length > 8 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : "";
}

/** PowerShell colours errors at an ampersand and so prints the value in two parts; GitHub masks parts of six characters or more. */
function upToAmpersand(value: string): string {
  const plus = value.indexOf("&+");
  const part = plus === -1 ? value.slice(0, value.lastIndexOf("&") + 1) : value.slice(0, plus + 2);
  return part.length >= 6 ? part : "";
}

function afterAmpersand(value: string): string {
  if (!value.includes("&")) return "";
  const plus = value.indexOf("&+");
  // One character more than the mark: it is the one that got the colour.
  const part = plus === -1 ? value.slice(value.lastIndexOf("&") + 1) : value.slice(plus + 3);
  return part.length >= 6 ? part : "";
}
