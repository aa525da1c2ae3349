/** `actions/cache/save`, and what `actions/cache` does after the job. Never fails a step. */
import { saveCache } from "@actions/cache";
import { getBooleanInput, getInput, getState, info } from "@actions/core";
import { canCache, isSameKey, linesOf, warn } from "./cache-inputs.ts";

export const KEY_STATE = "CACHE_KEY";
export const MATCH_STATE = "CACHE_RESULT";

export async function save(): Promise<void> {
  if (!canCache()) return;
  // The expression of the key may have another value by now: what was looked for is what is saved.
  const key = getState(KEY_STATE) || getInput("key");
  if (key === "") return warn("Key is not specified.");
  if (isSameKey(key, getState(MATCH_STATE))) {
    info(`Cache hit occurred on the primary key ${key}, not saving cache.`);
    return;
  }
  try {
    const chunk = Number.parseInt(getInput("upload-chunk-size"), 10);
    const options = Number.isNaN(chunk) || chunk < 0 ? {} : { uploadChunkSize: chunk };
    const paths = linesOf("path", { required: true });
    const id = await saveCache(paths, key, options, getBooleanInput("enableCrossOsArchive"));
    if (id !== -1) info(`Cache saved with key: ${key}`);
  } catch (error) {
    warn(error instanceof Error ? error.message : String(error));
  }
}
