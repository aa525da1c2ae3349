import { mkdir, mkdtemp, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { hostTemplates } from "./host-templates.ts";
import { imageDirectory, writeManifest } from "./image/image-store.ts";
import { obtainTemplate } from "./template/template-store.ts";
import type { HeldTemplate } from "./template/template-store.ts";

const { signal } = new AbortController();
const NOW_MS = Date.parse("2026-11-22T10:00:00Z");
const [here, gone] = ["a".repeat(64), "b".repeat(64)];
let dataDir = "";
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "hearth-test-templates-"));
  const image = imageDirectory(dataDir, "small", here);
  await mkdir(image, { recursive: true });
  await writeManifest(image, {
    name: "small",
    digest: here,
    labels: [],
    hostname: "small",
    builtAt: new Date(NOW_MS),
    sizeBytes: 1,
  });
});
afterEach(async () => rm(dataDir, { recursive: true }));

const fill = async () => ({ kind: "made" }) as const;

async function make(provider: string, image: string, usedAtMs: number): Promise<HeldTemplate> {
  const parts = { provider, image };
  const made = await obtainTemplate({ dataDir, parts, fill, roomBytes: 0, progress: () => undefined, signal });
  if (made.kind !== "held") throw new Error(made.reason);
  await utimes(join(made.directory, "template.json"), new Date(usedAtMs), new Date(usedAtMs));
  return made;
}

const HOUR_MS = 3_600_000;
const named = (all: readonly { provider: string; image: string | null }[]): string[] =>
  all.map(({ provider, image }) => `${provider} ${image ?? "gone"}`);

it("names the images of templates, and removes what is wanted no more but not what is in use", async () => {
  const templates = hostTemplates(dataDir, () => NOW_MS);
  for (const [provider, image, age] of [
    ["gvisor", here, 1],
    ["gvisor", gone, 2],
    ["qemu", here, 30],
  ] as const) {
    await (await make(provider, image, NOW_MS - age * HOUR_MS))[Symbol.asyncDispose]();
  }
  expect(named(await templates.list())).toEqual(["gvisor small", "gvisor gone", "qemu small"]);
  const prune = async (all: boolean, olderThanMs?: number): Promise<string[]> =>
    named(await templates.prune({ all, olderThanMs }, signal));
  expect(await prune(false)).toEqual(["gvisor gone"]);
  expect(await prune(false, 24 * HOUR_MS)).toEqual(["qemu small"]);
  await using held = await make("gvisor", here, NOW_MS);
  expect(await prune(true)).toEqual([]);
  expect(await templates.list()).toMatchObject([{ image: "small", imageDigest: here, inUse: true }]);
  await held[Symbol.asyncDispose]();
  expect(await prune(true)).toEqual(["gvisor small"]);
});
