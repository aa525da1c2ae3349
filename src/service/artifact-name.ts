/**
 * What an artifact may be called, and how its name is written where a client reads it. A name is data: no path is ever made of it on
 * this host, and a client that makes one of it is given none that leads elsewhere (SECURITY-RELIABILITY A17; CVE-2023-22726).
 * Source: ACTIONS-CONTRACT §5.5, RFC 6266, RFC 8187.
 */

const MAX_NAME_CHARS = 256;

/** Why it cannot be a name, for the log of the step; undefined for a good one. */
export function objectionToName(name: string): string | undefined {
  if (name === "" || name.length > MAX_NAME_CHARS) return `an artifact's name has 1 to ${MAX_NAME_CHARS} characters`;
  if (/[":<>|*?\\/]/.test(name)) return `an artifact's name has none of " : < > | * ? \\ /`;
  if (/\p{Cc}/u.test(name) || !name.isWellFormed()) return "an artifact's name has no control characters";
  if (name === "." || name === "..") return "an artifact's name is not . or ..";
  return undefined;
}

/** What a browser would save it as; archives get the ending that their name lacks. */
export function dispositionOf({ name, mimeType }: { readonly name: string; readonly mimeType: string }): string {
  const file = isZip(mimeType) && !name.toLowerCase().endsWith(".zip") ? `${name}.zip` : name;
  const plain = file.replaceAll(/[^\x20-\x7e]|[%"\\]/g, "_");
  const encoded = encodeURIComponent(file).replaceAll(/['()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

export function isZip(mimeType: string): boolean {
  return /^application\/(?:zip|x-zip-compressed|zip-compressed)$/.test(mimeType);
}
