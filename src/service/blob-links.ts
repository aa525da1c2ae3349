/**
 * Addresses that open one blob for reading or for writing, as the Azure SDK wants them: whoever has one needs no token. Everything in
 * them is signed with a key made for the machine, and they are dead when the job that asked for them has ended.
 * The parameter `sig` is what the toolkit masks in logs. Source: ACTIONS-CONTRACT §5.2, §5.6.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { BlobId } from "./blob-store.ts";
import type { Caller, JobTokens } from "./job-tokens.ts";

export interface BlobLinks {
  /** Puts blocks and commits them, until the blob is sealed. */
  forWriting(blob: BlobId, caller: Caller): string;
  forReading(blob: BlobId, caller: Caller, shown?: ShownAs): string;
  /** What a path of ours opens; undefined where it is none of ours, was changed, or its job has ended. */
  open(path: string): OpenedLink | undefined;
}

/** Overrides what was said when the blob was written. */
export interface ShownAs {
  readonly contentType?: string | undefined;
  readonly disposition?: string | undefined;
}

export interface OpenedLink extends ShownAs {
  readonly blob: BlobId;
  readonly mode: "read" | "write";
  /** The rest of the query, which is the client's. */
  readonly query: URLSearchParams;
}

const PATH =
  /^\/blob\/(?<container>caches|artifacts)\/(?<name>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\?(?<query>.+)$/;
const SIGNED = ["sp", "jb", "rsct", "rscd"] as const;
const MODES = { r: "read", w: "write" } as const;

export function createBlobLinks({
  origin,
  tokens,
}: {
  readonly origin: string;
  readonly tokens: JobTokens;
}): BlobLinks {
  const key = randomBytes(32);
  const link = (blob: BlobId, mode: keyof typeof MODES, caller: Caller, shown: ShownAs): string => {
    const { contentType = "", disposition = "" } = shown;
    const fields = { sp: mode, jb: caller.id, rsct: contentType, rscd: disposition };
    const query = new URLSearchParams(Object.entries(fields).filter(([, value]) => value !== ""));
    query.set("sig", signature(key, blob, query));
    return `${origin}/blob/${blob.container}/${blob.name}?${query.toString()}`;
  };
  return {
    forWriting: (blob, caller) => link(blob, "w", caller, {}),
    forReading: (blob, caller, shown = {}) => link(blob, "r", caller, shown),
    open(path) {
      const { container, name, query: text } = PATH.exec(path)?.groups ?? {};
      if ((container !== "caches" && container !== "artifacts") || name === undefined) return undefined;
      const query = new URLSearchParams(text);
      const blob: BlobId = { container, name };
      if (!isSame(signature(key, blob, query), query.get("sig") ?? "")) return undefined;
      if (tokens.find(query.get("jb") ?? "") === undefined) return undefined;
      const mode = query.get("sp");
      if (mode !== "r" && mode !== "w") return undefined;
      return {
        blob,
        mode: MODES[mode],
        contentType: query.get("rsct") ?? undefined,
        disposition: query.get("rscd") ?? undefined,
        query,
      };
    },
  };
}

/** Over the decoded values: clients take addresses apart and put them together again. All of a repeated one are signed. */
function signature(key: Buffer, { container, name }: BlobId, query: URLSearchParams): string {
  const said = [container, name, ...SIGNED.map((field) => query.getAll(field))];
  return createHmac("sha256", key).update(JSON.stringify(said)).digest("base64url");
}

function isSame(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
