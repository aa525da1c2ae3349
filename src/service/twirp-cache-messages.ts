/** Messages of `github.actions.results.api.v1.CacheService`. Source: ACTIONS-CONTRACT §5.3. */
import { flag, int64, text, texts } from "./protobuf-fields.ts";
import { message } from "./protobuf-message.ts";

export const CACHE_SERVICE = "github.actions.results.api.v1.CacheService";

// Field 1 of every request is metadata: repository and scopes, which are read from the token instead.
export const CreateCacheEntryRequest = message({ key: text(2), version: text(3) });
export const CreateCacheEntryResponse = message({ ok: flag(1), signedUploadUrl: text(2), message: text(3) });

export const FinalizeCacheEntryUploadRequest = message({ key: text(2), sizeBytes: int64(3), version: text(4) });
export const FinalizeCacheEntryUploadResponse = message({ ok: flag(1), entryId: int64(2), message: text(3) });

export const GetCacheEntryDownloadURLRequest = message({ key: text(2), restoreKeys: texts(3), version: text(4) });
export const GetCacheEntryDownloadURLResponse = message({
  ok: flag(1),
  signedDownloadUrl: text(2),
  matchedKey: text(3),
});
