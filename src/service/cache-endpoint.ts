/** Cache v2, which toolkits of 2025 and later, BuildKit and sccache speak. Source: ACTIONS-CONTRACT §5.3. */
import { unreachable } from "../lib/unreachable.ts";
import type { Caches } from "./caches.ts";
import type { Endpoint, EndpointSurroundings } from "./endpoint.ts";
import { createTwirpEndpoint, twirpMethod, TwirpError } from "./twirp.ts";
import {
  CACHE_SERVICE,
  CreateCacheEntryRequest,
  CreateCacheEntryResponse,
  FinalizeCacheEntryUploadRequest,
  FinalizeCacheEntryUploadResponse,
  GetCacheEntryDownloadURLRequest,
  GetCacheEntryDownloadURLResponse,
} from "./twirp-cache-messages.ts";

/** Owns `caches`, which v1 works on too. */
export function createCacheEndpoint(caches: Caches, surroundings: Pick<EndpointSurroundings, "tokens">): Endpoint {
  const methods = {
    CreateCacheEntry: createCacheEntry(caches),
    FinalizeCacheEntryUpload: finalizeCacheEntryUpload(caches),
    GetCacheEntryDownloadURL: getCacheEntryDownloadUrl(caches),
  };
  return {
    ...createTwirpEndpoint(CACHE_SERVICE, methods, surroundings),
    endJob: (job) => caches.endJob(job),
    [Symbol.asyncDispose]: () => caches[Symbol.asyncDispose](),
  };
}

function createCacheEntry(caches: Caches) {
  return twirpMethod(CreateCacheEntryRequest, CreateCacheEntryResponse, async ({ key, version }, caller) => {
    const reserved = await caches.reserve(caller, key, version);
    switch (reserved.kind) {
      case "reserved":
        return { ok: true, signedUploadUrl: reserved.uploadUrl };
      case "denied":
        return { ok: false, message: reserved.message };
      case "exists":
        return new TwirpError("already_exists", reserved.message);
      case "too many":
        return new TwirpError("resource_exhausted", reserved.message);
      case "invalid":
        return new TwirpError("invalid_argument", reserved.message);
      default:
        return unreachable(reserved);
    }
  });
}

function finalizeCacheEntryUpload(caches: Caches) {
  const [request, response] = [FinalizeCacheEntryUploadRequest, FinalizeCacheEntryUploadResponse];
  return twirpMethod(request, response, async ({ key, version, sizeBytes }, caller) => {
    const reservation = await caches.reservation(caller, (one) => one.key === key && one.version === version);
    if (reservation === undefined) {
      return new TwirpError("not_found", "no such cache entry is being created by this job");
    }
    const completed = await caches.complete(caller, reservation, Number(sizeBytes));
    switch (completed.kind) {
      case "completed":
        return { ok: true, entryId: BigInt(reservation.id) };
      case "secret":
        // Clients write it into the log of the step as a warning.
        return { ok: false, message: completed.message };
      case "incomplete":
        return new TwirpError("failed_precondition", completed.message);
      case "too large":
        return new TwirpError("resource_exhausted", completed.message);
      default:
        return unreachable(completed);
    }
  });
}

function getCacheEntryDownloadUrl(caches: Caches) {
  const [request, response] = [GetCacheEntryDownloadURLRequest, GetCacheEntryDownloadURLResponse];
  return twirpMethod(request, response, async ({ key, restoreKeys, version }, caller) => {
    const found = await caches.find(caller, [key, ...restoreKeys], version);
    switch (found.kind) {
      case "hit":
        return { ok: true, signedDownloadUrl: found.downloadUrl, matchedKey: found.entry.key };
      case "miss":
        return { ok: false };
      case "invalid":
        return new TwirpError("invalid_argument", found.message);
      default:
        return unreachable(found);
    }
  });
}
