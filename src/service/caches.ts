/**
 * Caches as a job may use them, whatever protocol it speaks: the scopes are those of its claims, a reservation is its own, and what
 * it is given is complete and without a secret of the run that saved it. Source: ACTIONS-CONTRACT §5.3, SECURITY-RELIABILITY A17,
 * A20, A26.
 */
import { cacheScopes } from "./cache-scopes.ts";
import { openCacheStore } from "./cache-store.ts";
import type { CacheEntry, CacheLimits, Reservation } from "./cache-store.ts";
import type { EndpointSurroundings } from "./endpoint.ts";
import { createIndexedBlobs } from "./indexed-blobs.ts";
import type { Caller } from "./job-tokens.ts";
import type { JobClaims } from "./services.ts";
import { objectionToSecretName } from "./upload-check.ts";
import type { UploadCheck } from "./upload-check.ts";

export interface Caches extends AsyncDisposable {
  reserve(caller: Caller, key: string, version: string): Promise<Reserved>;
  /** The caller's own, by what it was reserved as. */
  reservation(caller: Caller, wanted: (reservation: Reservation) => boolean): Promise<Reservation | undefined>;
  /** Its blob is committed and `sizeBytes` long, or nothing happens. */
  complete(caller: Caller, reservation: Reservation, sizeBytes: number): Promise<Completed>;
  find(caller: Caller, keys: readonly string[], version: string): Promise<Found>;
  /** What the caller may read of the entries that begin with a key. */
  list(caller: Caller, key: string): Promise<readonly CacheEntry[]>;
  endJob(caller: Caller): void;
}

export type Reserved =
  | { readonly kind: "reserved"; readonly reservation: Reservation; readonly uploadUrl: string }
  | { readonly kind: "exists" | "denied" | "invalid" | "too many"; readonly message: string };

export type Completed =
  | { readonly kind: "completed" }
  | { readonly kind: "incomplete" | "too large" | "secret"; readonly message: string };

export type Found =
  | { readonly kind: "hit"; readonly entry: CacheEntry; readonly downloadUrl: string }
  | { readonly kind: "miss" }
  | { readonly kind: "invalid"; readonly message: string };

const MAX_KEY_CHARS = 512;
const MAX_KEYS = 64;
const MAX_RESERVATIONS = 1_000;
const EXPIRED = "the reservation has expired";

export interface CachesOptions extends Pick<EndpointSurroundings, "blobs" | "links" | "stateDir" | "now"> {
  readonly limits: CacheLimits;
  readonly check: UploadCheck;
}

/** The index is opened when it is first needed. */
export function createCaches(options: CachesOptions): Caches {
  const { blobs, links, limits, check } = options;
  const indexed = createIndexedBlobs("caches", options, () => openCacheStore(options));
  const { index: store, idOf } = indexed;

  return {
    async reserve(caller, key, version) {
      const message = objection([key], version) ?? objectionToSecretName(caller, key);
      if (message !== undefined) return { kind: "invalid", message };
      const { claims } = caller;
      const scope = cacheScopes(claims).writable;
      if (scope === undefined) {
        // Clients look for the beginning of this text.
        return { kind: "denied", message: `cache write denied: ${claims.event} may only read caches of ${claims.ref}` };
      }
      const index = await store();
      if (index.reservations(caller.id).length >= MAX_RESERVATIONS) {
        return { kind: "too many", message: "too many caches are being saved by this job" };
      }
      const { trusted } = claims;
      const entry = { repository: repositoryOf(claims), scope, key, version, trusted, owner: caller.id };
      const reservation = index.reserve(entry);
      if (reservation === undefined) {
        return { kind: "exists", message: "cache entry with the same key, version, and scope already exists" };
      }
      return { kind: "reserved", reservation, uploadUrl: links.forWriting(idOf(reservation), caller) };
    },

    async reservation(caller, wanted) {
      return (await store()).reservations(caller.id).find(wanted);
    },

    async complete(caller, reservation, sizeBytes) {
      const blob = idOf(reservation);
      if (sizeBytes > limits.repositoryBytes) {
        return { kind: "too large", message: `a repository may have ${limits.repositoryBytes} bytes of caches` };
      }
      if (blobs.committedBytes(blob) !== sizeBytes) {
        return { kind: "incomplete", message: "the uploaded archive has another size" };
      }
      const index = await store();
      const sealed = (await blobs.seal(blob)) ? await blobs.open(blob) : undefined;
      if (sealed === undefined) return { kind: "incomplete", message: EXPIRED };
      const message = await check(caller, { kind: "cache", name: reservation.key, blob: sealed });
      if (message !== undefined) {
        await indexed.remove(index.remove([reservation.id]));
        return { kind: "secret", message };
      }
      const evicted = index.complete(reservation.id, sizeBytes);
      if (evicted === undefined) return { kind: "incomplete", message: EXPIRED };
      await indexed.remove(evicted);
      return { kind: "completed" };
    },

    async find({ claims, ...caller }, keys, version) {
      const message = objection(keys, version);
      if (message !== undefined) return { kind: "invalid", message };
      const index = await store();
      const wanted = { repository: repositoryOf(claims), version, scopes: cacheScopes(claims).readable, keys };
      for (let entry = index.find(wanted); entry !== undefined; entry = index.find(wanted)) {
        const blob = idOf(entry);
        const sealed = await blobs.open(blob);
        if (sealed?.sizeBytes === entry.sizeBytes) {
          index.touch(entry.id);
          return { kind: "hit", entry, downloadUrl: links.forReading(blob, { claims, ...caller }) };
        }
        // Lost or damaged on the disk: as if it had never been.
        await indexed.remove(index.remove([entry.id]));
      }
      return { kind: "miss" };
    },

    async list({ claims }, key) {
      const readable = new Set(cacheScopes(claims).readable);
      const repository = repositoryOf(claims);
      return (await store())
        .list()
        .filter((entry) => entry.repository === repository && readable.has(entry.scope) && entry.key.startsWith(key));
    },

    endJob: indexed.endJob,
    [Symbol.asyncDispose]: () => indexed[Symbol.asyncDispose](),
  };
}

function repositoryOf({ repository: { owner, name } }: JobClaims): string {
  return `${owner}/${name}`.toLowerCase();
}

/** Keys are data, never paths; what is refused is what clients refuse, and what no terminal should be shown. */
function objection(keys: readonly string[], version: string): string | undefined {
  if (keys.length === 0 || keys.length > MAX_KEYS) return `1 to ${MAX_KEYS} keys are allowed`;
  const bad = keys.find((key) => key === "" || key.length > MAX_KEY_CHARS || !/^[^,\p{Cc}]*$/u.test(key));
  if (bad !== undefined)
    return `a key has 1 to ${MAX_KEY_CHARS} characters, none of them a comma or a control character`;
  return /^[\x21-\x7e]{1,512}$/.test(version) ? undefined : "the version is not valid";
}
