/** The text of a translation as a manifest, read once: checks, planning and every job that runs it ask for the same one. */
import { readManifest } from "./manifest.ts";
import type { ManifestResult } from "./manifest.ts";

const MAX_KEPT = 200;

const kept = new Map<string, ManifestResult>();

export function readTranslation(text: string): ManifestResult {
  const known = kept.get(text);
  if (known !== undefined) return known;
  const result = readManifest("translation", text);
  if (kept.size >= MAX_KEPT) kept.clear();
  kept.set(text, result);
  return result;
}
