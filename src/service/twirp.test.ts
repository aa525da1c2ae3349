/** Twirp at the HTTP door: both forms, its errors, its bounds (ACTIONS-CONTRACT §5.2). */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ask, asJob, askRaw, openDoor, putBlob, someClaims } from "./service-door.fixture.ts";
import type { Ask, Door, JobDoor, Reply } from "./service-door.fixture.ts";
import {
  CACHE_SERVICE,
  CreateCacheEntryRequest,
  CreateCacheEntryResponse,
  FinalizeCacheEntryUploadRequest,
  FinalizeCacheEntryUploadResponse,
  GetCacheEntryDownloadURLRequest,
  GetCacheEntryDownloadURLResponse,
} from "./twirp-cache-messages.ts";

let door: Door;
let job: JobDoor;

beforeEach(async () => {
  door = openDoor();
  job = asJob(await door.attach(), someClaims());
});
afterEach(() => door[Symbol.asyncDispose]());

async function post(method: string, body: Buffer | string, contentType: string, more: Ask = {}): Promise<Reply> {
  return ask(`${job.origin}/twirp/${CACHE_SERVICE}/${method}`, {
    method: "POST",
    body,
    headers: { authorization: `Bearer ${job.token}`, "content-type": contentType },
    ...more,
  });
}

const BINARY = "application/protobuf";

describe("twirp", () => {
  it("serves a cache in binary from end to end, as sccache asks for it", async () => {
    const [key, version] = ["k", "v"];
    const created = await post("CreateCacheEntry", CreateCacheEntryRequest.toBinary({ key, version }), BINARY);
    const { ok, signedUploadUrl } = CreateCacheEntryResponse.fromBinary(created.body);
    expect({ ok, status: (await putBlob(signedUploadUrl, Buffer.from("abc"))).status }).toEqual({
      ok: true,
      status: 201,
    });
    const end = FinalizeCacheEntryUploadRequest.toBinary({ key, version, sizeBytes: 3n });
    const finished = FinalizeCacheEntryUploadResponse.fromBinary(
      (await post("FinalizeCacheEntryUpload", end, BINARY)).body,
    );
    expect(finished).toEqual({ ok: true, entryId: 1n, message: "" });
    const wanted = GetCacheEntryDownloadURLRequest.toBinary({ key: "x", restoreKeys: ["x", "k"], version });
    const found = GetCacheEntryDownloadURLResponse.fromBinary(
      (await post("GetCacheEntryDownloadURL", wanted, BINARY)).body,
    );
    expect(found).toMatchObject({ ok: true, matchedKey: "k" });
    expect((await ask(found.signedDownloadUrl)).text).toBe("abc");
    const missed = await post(
      "GetCacheEntryDownloadURL",
      GetCacheEntryDownloadURLRequest.toBinary({ key: "n", version }),
      BINARY,
    );
    expect({ status: missed.status, length: missed.body.length }).toEqual({ status: 200, length: 0 });
  });

  it("takes the type with a charset and in any case", async () => {
    const { status, text } = await post(
      "GetCacheEntryDownloadURL",
      `{"key":"k","version":"v"}`,
      "Application/JSON; charset=utf-8",
    );
    expect({ status, text }).toEqual({ status: 200, text: "{}" });
  });

  it.each([
    ["a method that is none", "Nothing", "{}", "application/json", {}, 404, "bad_route"],
    ["a method of every object", "constructor", "{}", "application/json", {}, 404, "bad_route"],
    ["a path behind the method", "CreateCacheEntry/x", "{}", "application/json", {}, 404, "bad_route"],
    ["another type", "CreateCacheEntry", "{}", "text/plain", {}, 404, "bad_route"],
    ["no JSON", "CreateCacheEntry", "{", "application/json", {}, 400, "malformed"],
    ["JSON of another shape", "CreateCacheEntry", "[]", "application/json", {}, 400, "malformed"],
    ["a field of another type", "CreateCacheEntry", `{"key":{}}`, "application/json", {}, 400, "malformed"],
    ["binary that is none", "CreateCacheEntry", Buffer.from([0x12, 0x05, 0x61]), BINARY, {}, 400, "malformed"],
    ["text that is no UTF-8", "CreateCacheEntry", Buffer.from([0x12, 0x01, 0xff]), BINARY, {}, 400, "malformed"],
    ["too long a message", "CreateCacheEntry", Buffer.alloc(65 << 10, "x"), "application/json", {}, 400, "malformed"],
    ["no token", "CreateCacheEntry", "{}", "application/json", { headers: {} }, 401, "unauthenticated"],
  ])("answers %s in JSON, with Twirp's words", async (_, method, body, type, more, status, code) => {
    const reply = await post(method, body, type, more);
    expect({ status: reply.status, type: reply.headers["content-type"] }).toEqual({ status, type: "application/json" });
    expect(JSON.parse(reply.text)).toEqual({ code, msg: expect.any(String) });
  });

  it("does not wait for a body without end", async () => {
    const head = [
      `POST /twirp/${CACHE_SERVICE}/CreateCacheEntry HTTP/1.1`,
      "Host: x",
      `Authorization: Bearer ${job.token}`,
      "Content-Type: application/json",
      "Content-Length: 99999999999",
      "",
      "{",
    ];
    expect(await askRaw(job.origin, head.join("\r\n"))).toMatch(/^HTTP\/1\.1 400 .*"malformed"/s);
  });
});
