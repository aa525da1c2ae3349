/** `actions/cache` and `actions/cache/restore`: what they share. Source: github.com/actions/cache, README and action.yml. */
import { restoreCache } from "@actions/cache";
import { getBooleanInput, getInput, info, saveState, setOutput } from "@actions/core";
import { canCache, isSameKey, linesOf } from "./cache-inputs.ts";
import { KEY_STATE, MATCH_STATE } from "./save-cache.ts";

/** `tell` also says the keys as outputs. */
export async function restore({ tell }: { readonly tell: boolean }): Promise<void> {
  if (!canCache()) return setOutput("cache-hit", "false");
  const key = getInput("key", { required: true });
  saveState(KEY_STATE, key);
  if (tell) setOutput("cache-primary-key", key);
  const restoreKeys = linesOf("restore-keys");
  const paths = linesOf("path", { required: true });
  const lookupOnly = getBooleanInput("lookup-only");
  const found = await restoreCache(paths, key, restoreKeys, { lookupOnly }, getBooleanInput("enableCrossOsArchive"));
  if (found === undefined) {
    if (getBooleanInput("fail-on-cache-miss")) {
      throw new Error(`Failed to restore cache entry. Exiting as fail-on-cache-miss is set. Input key: ${key}`);
    }
    // `cache-hit` stays empty: workflows tell a miss from a match by a restore key by that.
    info(`Cache not found for input keys: ${[key, ...restoreKeys].join(", ")}`);
    return;
  }
  saveState(MATCH_STATE, found);
  if (tell) setOutput("cache-matched-key", found);
  setOutput("cache-hit", String(isSameKey(key, found)));
  info(lookupOnly ? `Cache found and can be restored from key: ${found}` : `Cache restored from key: ${found}`);
}
