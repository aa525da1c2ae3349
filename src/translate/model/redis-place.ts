/** Accepted answers in a Redis that several hosts share. Its client is loaded when first asked, and never tries to connect by itself. */
import type { Keyv } from "keyv";
import type { CachePlace } from "./answer-cache.ts";

const CONNECT_WITHIN_MS = 1_500;
const KEPT_FOR_MS = 180 * 24 * 3600_000;
const NAMESPACE = "hearth-translations";

export function createRedisPlace(url: string): CachePlace {
  let opened: Promise<Keyv> | undefined;
  /** One that failed is not kept: the next operation connects anew. */
  async function used<T>(work: (store: Keyv) => Promise<T>): Promise<T> {
    const store = (opened ??= open(url));
    try {
      return await work(await store);
    } catch (error) {
      // Several fail at once; the connection that the first of them has begun since is not theirs to forget.
      if (opened === store) opened = undefined;
      await store.then(disconnect, () => undefined);
      throw error;
    }
  }
  return {
    get: (key) =>
      used(async (store) => {
        const found: unknown = await store.get(key);
        return typeof found === "string" ? found : undefined;
      }),
    set: (key, manifest) =>
      used(async (store) => {
        await store.set(key, manifest, KEPT_FOR_MS);
      }),
    async close() {
      const store = opened;
      opened = undefined;
      await store?.then(disconnect, () => undefined);
    },
  };
}

async function open(url: string): Promise<Keyv> {
  const [{ Keyv }, { default: KeyvRedis }] = await Promise.all([import("keyv"), import("@keyv/redis")]);
  const store = new KeyvRedis<string>(
    { url, disableOfflineQueue: true, socket: { connectTimeout: CONNECT_WITHIN_MS, reconnectStrategy: false } },
    { throwOnErrors: true, throwOnConnectError: true, connectionTimeout: CONNECT_WITHIN_MS },
  );
  // Its client takes what is asked while it connects for asked too early.
  await store.getClient();
  const keyv = new Keyv({ store, namespace: NAMESPACE, throwOnErrors: true });
  // Each fault rejects an operation as well; an event that nobody hears would end the process.
  keyv.on("error", () => undefined);
  return keyv;
}

async function disconnect(store: Keyv): Promise<void> {
  await store.disconnect().catch(() => undefined);
}
