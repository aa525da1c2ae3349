/**
 * Whether a delivery is from who knows the secret: HMAC-SHA256 of the body's bytes as they came, compared in constant time.
 * Source: ACTIONS-CONTRACT §7.1, GitHub "Validating webhook deliveries", SECURITY-RELIABILITY A01.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

/** `sha256=` and 64 digits in lower case, as GitHub writes it; nothing else is looked at. */
const HEADER = /^sha256=(?<digest>[0-9a-f]{64})$/;

/** What could be a signature. A header that came twice, joined by Node with a comma, is none. */
export function isSignature(header: string | undefined): header is string {
  return header !== undefined && HEADER.test(header);
}

/** Any of the secrets may have signed: two are in use while one replaces the other. None signs nothing. */
export function isSigned(secrets: readonly string[], body: Buffer, header: string): boolean {
  const digest = HEADER.exec(header)?.groups?.["digest"];
  if (digest === undefined) return false;
  const given = Buffer.from(digest, "hex");
  // All are tried, so that the time does not say which one it was.
  const matches = secrets.filter((secret) => secret !== "" && timingSafeEqual(digestOf(secret, body), given));
  return matches.length > 0;
}

/** The header that `isSigned` accepts. */
export function signatureOf(secret: string, body: Buffer): string {
  return `sha256=${digestOf(secret, body).toString("hex")}`;
}

function digestOf(secret: string, body: Buffer): Buffer {
  return createHmac("sha256", secret).update(body).digest();
}
