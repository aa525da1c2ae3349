/**
 * A delivery's body: counted while it comes, within a deadline, so that one who sends slowly or without end holds little and not for long
 * (SECURITY-RELIABILITY A04). And how deep its JSON is, before anything recursive sees it.
 */
import type { IncomingMessage } from "node:http";

export type WebhookBody =
  | { readonly kind: "body"; readonly bytes: Buffer }
  /** 400: it broke off. */
  | { readonly kind: "refused"; readonly status: 400 | 408 | 413 | 503 };

export interface BodyLimits {
  readonly maxBytes: number;
  readonly deadlineMs: number;
  /** Of all bodies that are being read. */
  readonly maxBytesTogether: number;
}

/** GitHub sends no larger ones (ACTIONS-CONTRACT §7.1), and gives up after ten seconds. */
export const WEBHOOK_LIMITS: BodyLimits = {
  maxBytes: 25 << 20,
  deadlineMs: 10_000,
  maxBytesTogether: 256 << 20,
};

/** Reads bodies, so many bytes of all of them at a time. Leaves the rest of a refused one to the caller. */
export function createBodyReader(limits: BodyLimits): (request: IncomingMessage) => Promise<WebhookBody> {
  let together = 0;
  return async (request) => {
    if (Number(request.headers["content-length"] ?? 0) > limits.maxBytes) return { kind: "refused", status: 413 };
    const chunks: Buffer[] = [];
    const { promise, resolve } = Promise.withResolvers<WebhookBody>();
    const refuse = (status: RefusedStatus): void => resolve({ kind: "refused", status });
    let bytes = 0;
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      together += chunk.length;
      if (bytes > limits.maxBytes) refuse(413);
      else if (together > limits.maxBytesTogether) refuse(503);
      else chunks.push(chunk);
    };
    const timer = setTimeout(refuse, limits.deadlineMs, 408);
    request.on("data", onData);
    request.once("end", () => resolve({ kind: "body", bytes: Buffer.concat(chunks) }));
    // These stay: what is refused may break off after it.
    for (const name of ["error", "close"]) request.on(name, () => refuse(400));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      request.off("data", onData);
      together -= bytes;
    }
  };
}

type RefusedStatus = Extract<WebhookBody, { kind: "refused" }>["status"];

/** Whether arrays and objects stand in one another deeper than so; JSON or not, since only brackets outside of strings are counted. */
export function isDeeperThan(json: Buffer, maxDepth: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (byte === BACKSLASH && inString) at += 1;
    else if (byte === QUOTE) inString = !inString;
    else if (!inString && (byte === OPEN_ARRAY || byte === OPEN_OBJECT)) {
      depth += 1;
      if (depth > maxDepth) return true;
    } else if (!inString && (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT)) depth -= 1;
  }
  return false;
}

const BACKSLASH = 0x5c;
const QUOTE = 0x22;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
