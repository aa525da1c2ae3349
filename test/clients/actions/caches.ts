/** Saves what it makes, restores it elsewhere in time, and compares: `@actions/cache` as any action uses it. */
import * as cache from "@actions/cache";
import * as core from "@actions/core";
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";

async function main(): Promise<void> {
  const key = core.getInput("key");
  const bytes = Number(core.getInput("bytes"));
  const content = randomBytes(bytes);
  assert.equal(cache.isFeatureAvailable(), true);
  assert.equal(await cache.restoreCache(["kept"], key, ["nothing-"]), undefined, "a miss is no hit");
  await mkdir("kept", { recursive: true });
  await writeFile("kept/content", content);
  const savedAt = performance.now();
  const id = await cache.saveCache(["kept"], key);
  const saveMs = performance.now() - savedAt;
  assert.ok(id > 0, `saved under id ${id}`);
  // Said as a warning or a note, never as a failure.
  assert.equal(await cache.saveCache(["kept"], key), -1, "an entry is never replaced");

  await rm("kept", { recursive: true });
  assert.equal(await cache.restoreCache(["kept"], key, [], { lookupOnly: true }), key);
  const restoredAt = performance.now();
  assert.equal(await cache.restoreCache(["kept"], `${key}-newer`, [key.slice(0, -1)]), key, "found by a prefix");
  const restoreMs = performance.now() - restoredAt;
  assert.equal(sha256(await readFile("kept/content")), sha256(content));
  assert.equal(await cache.restoreCache(["other"], key), undefined, "other paths are another version");
  await rm("kept", { recursive: true });
  const rate = (ms: number): string => `${(bytes / 1024 ** 2 / (ms / 1000)).toFixed(0)} MiB/s`;
  core.info(`CLIENT cache of ${bytes} bytes: saved at ${rate(saveMs)}, restored at ${rate(restoreMs)}`);
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

main().catch((error: unknown) => core.setFailed(String(error)));
