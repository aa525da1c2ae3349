/** Both forms of every message, held against the code that protobuf-ts generated for GitHub's own clients. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as artifact from "../../node_modules/@actions/artifact/lib/generated/results/api/v1/artifact.js";
import * as cache from "../../node_modules/@actions/cache/lib/generated/results/api/v1/cache.js";
import type { Message, MessageOf } from "./protobuf-message.ts";
import { MalformedMessage, readWire } from "./protobuf-wire.ts";
import * as artifacts from "./twirp-artifact-messages.ts";
import * as caches from "./twirp-cache-messages.ts";

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

const read = (json: object): MessageOf<typeof artifacts.FinalizeArtifactRequest> =>
  artifacts.FinalizeArtifactRequest.fromJson(json);

/** What protobuf-ts makes of a message. */
interface Generated<G extends object> {
  toBinary(value: G): Uint8Array;
  fromBinary(bytes: Uint8Array): G;
  toJson(value: G, options: { useProtoFieldName: boolean; emitDefaultValues: boolean }): Json;
  fromJson(json: Json): G;
}

const text = fc.string({ unit: "binary" }).filter((value) => value.isWellFormed());
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const timeMs = fc.option(
  fc.integer({ min: Date.parse("0001-01-01T00:00:00Z"), max: Date.parse("9999-12-31T23:59:59.999Z") }),
  { nil: undefined },
);
const job = { workflowRunBackendId: text, workflowJobRunBackendId: text };
const listed = fc.record({
  ...job,
  databaseId: int64,
  name: text,
  size: int64,
  createdAt: timeMs,
  digest: fc.option(text, { nil: undefined }),
});

/** It succeeds, or is refused in words. */
function isJudged(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch (error) {
    return error instanceof MalformedMessage;
  }
}

/** Arbitrary values, in both forms, in both directions. */
function holds<T, G extends object>(
  name: string,
  message: Message<T>,
  generated: Generated<G>,
  values: fc.Arbitrary<T>,
): void {
  describe(`message ${name}`, () => {
    it("is read and written in binary as GitHub's clients do", () => {
      fc.assert(
        fc.property(values, (value) => {
          const ours = message.toBinary(value);
          expect(message.fromBinary(ours)).toEqual(value);
          expect(message.fromBinary(Buffer.from(generated.toBinary(generated.fromBinary(ours))))).toEqual(value);
        }),
      );
    });

    it("is read and written in JSON as GitHub's clients do, with snake_case and with camelCase", () => {
      fc.assert(
        fc.property(values, (value) => {
          const ours: Json = JSON.parse(JSON.stringify(message.toJson(value)));
          expect(message.fromJson(ours)).toEqual(value);
          const read = generated.fromJson(ours);
          for (const useProtoFieldName of [true, false]) {
            for (const emitDefaultValues of [true, false]) {
              expect(message.fromJson(generated.toJson(read, { useProtoFieldName, emitDefaultValues }))).toEqual(value);
            }
          }
        }),
      );
    });

    it("is refused with words, never with another error, whatever the bytes are", () => {
      const bytes = fc.uint8Array({ maxLength: 200 });
      fc.assert(fc.property(bytes, (made) => isJudged(() => message.fromBinary(Buffer.from(made)))));
      const cutOff = fc.property(values, fc.nat(), (value, cut) => {
        const whole = message.toBinary(value);
        expect(isJudged(() => message.fromBinary(whole.subarray(0, cut % (whole.length + 1))))).toBe(true);
      });
      fc.assert(cutOff);
      fc.assert(fc.property(fc.jsonValue(), (json) => isJudged(() => message.fromJson(json))));
    });
  });
}

holds(
  "CreateArtifactRequest",
  artifacts.CreateArtifactRequest,
  artifact.CreateArtifactRequest,
  fc.record({
    ...job,
    name: text,
    expiresAt: timeMs,
    version: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    mimeType: fc.option(text, { nil: undefined }),
  }),
);
holds(
  "FinalizeArtifactRequest",
  artifacts.FinalizeArtifactRequest,
  artifact.FinalizeArtifactRequest,
  fc.record({ ...job, name: text, size: int64, hash: fc.option(text, { nil: undefined }) }),
);
holds(
  "ListArtifactsRequest",
  artifacts.ListArtifactsRequest,
  artifact.ListArtifactsRequest,
  fc.record({
    ...job,
    nameFilter: fc.option(text, { nil: undefined }),
    idFilter: fc.option(int64, { nil: undefined }),
  }),
);
holds(
  "DeleteArtifactResponse",
  artifacts.DeleteArtifactResponse,
  artifact.DeleteArtifactResponse,
  fc.record({ ok: fc.boolean(), artifactId: int64 }),
);
holds(
  "FinalizeCacheEntryUploadRequest",
  caches.FinalizeCacheEntryUploadRequest,
  cache.FinalizeCacheEntryUploadRequest,
  fc.record({ key: text, sizeBytes: int64, version: text }),
);

const signed = fc.record({ ok: fc.boolean(), signedUploadUrl: text });
holds("CreateArtifactResponse", artifacts.CreateArtifactResponse, artifact.CreateArtifactResponse, signed);
const finished = fc.record({ ok: fc.boolean(), artifactId: int64 });
holds("FinalizeArtifactResponse", artifacts.FinalizeArtifactResponse, artifact.FinalizeArtifactResponse, finished);
const list = fc.record({ artifacts: fc.array(listed, { maxLength: 4 }) });
holds("ListArtifactsResponse", artifacts.ListArtifactsResponse, artifact.ListArtifactsResponse, list);
const byName = fc.record({ ...job, name: text });
holds(
  "GetSignedArtifactURLRequest",
  artifacts.GetSignedArtifactURLRequest,
  artifact.GetSignedArtifactURLRequest,
  byName,
);
holds("DeleteArtifactRequest", artifacts.DeleteArtifactRequest, artifact.DeleteArtifactRequest, byName);
const url = fc.record({ signedUrl: text });
holds(
  "GetSignedArtifactURLResponse",
  artifacts.GetSignedArtifactURLResponse,
  artifact.GetSignedArtifactURLResponse,
  url,
);
const reserve = fc.record({ key: text, version: text });
holds("CreateCacheEntryRequest", caches.CreateCacheEntryRequest, cache.CreateCacheEntryRequest, reserve);
const reserved = fc.record({ ok: fc.boolean(), signedUploadUrl: text, message: text });
holds("CreateCacheEntryResponse", caches.CreateCacheEntryResponse, cache.CreateCacheEntryResponse, reserved);
const saved = fc.record({ ok: fc.boolean(), entryId: int64, message: text });
holds(
  "FinalizeCacheEntryUploadResponse",
  caches.FinalizeCacheEntryUploadResponse,
  cache.FinalizeCacheEntryUploadResponse,
  saved,
);
const wanted = fc.record({ key: text, restoreKeys: fc.array(text, { maxLength: 4 }), version: text });
holds(
  "GetCacheEntryDownloadURLRequest",
  caches.GetCacheEntryDownloadURLRequest,
  cache.GetCacheEntryDownloadURLRequest,
  wanted,
);
const found = fc.record({ ok: fc.boolean(), signedDownloadUrl: text, matchedKey: text });
holds(
  "GetCacheEntryDownloadURLResponse",
  caches.GetCacheEntryDownloadURLResponse,
  cache.GetCacheEntryDownloadURLResponse,
  found,
);

describe("the forms of a message", () => {
  it("take a size as a text, as JavaScript sends it, and as a number, as Go does", () => {
    expect(read({ size: "12" }).size).toBe(12n);
    expect(read({ size: 12 }).size).toBe(12n);
    for (const size of ["1.5", "", "0x10", 2 ** 60, "9223372036854775808", true]) {
      expect(() => read({ size })).toThrow("size: not a whole number");
    }
  });

  it("pass over what they do not know, and take null for nothing", () => {
    expect(read({ name: "a", hash: null, newer: { deep: [1] } })).toEqual({ ...read({}), name: "a" });
    const unknown = Buffer.concat([
      Buffer.from([0xfa, 0x01, 1, 0x61]),
      artifacts.FinalizeArtifactRequest.toBinary({ name: "a" }),
    ]);
    expect(artifacts.FinalizeArtifactRequest.fromBinary(unknown).name).toBe("a");
  });

  it("write numbers of 64 bits as text, and what is empty not at all", () => {
    expect(artifacts.FinalizeArtifactResponse.toJson({ ok: true, artifactId: 7n })).toEqual({
      ok: true,
      artifact_id: "7",
    });
    expect(artifacts.FinalizeArtifactResponse.toJson({ ok: false, artifactId: 0n })).toEqual({});
  });

  it("do not believe a length, nor read without end", () => {
    expect(() => readWire(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]))).toThrow(
      MalformedMessage,
    );
    expect(() => readWire(Buffer.alloc(20_002, Buffer.from([0x08, 0x01])))).toThrow("too many fields");
    expect(() => readWire(Buffer.from([0x0b]))).toThrow("wire type 3");
    expect(() => readWire(Buffer.alloc(12, 0xff))).toThrow("a number is too long");
  });
});
