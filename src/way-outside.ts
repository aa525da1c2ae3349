/** `fetch` for what this host itself asks: Node's own knows no proxy, and what runs on this host needs none. */
import type { Config } from "./config.ts";

export async function wayOutside(url: string, upstreamProxy: Config["upstreamProxy"]): Promise<typeof fetch> {
  if (upstreamProxy === undefined) return fetch;
  if (/^(?:localhost|127\.[\d.]+|\[::1\])$/u.test(new URL(url).hostname)) return fetch;
  const [{ createHostFetch }, { dialTcp, parseUpstreamProxy, resolveBySystem }] = await Promise.all([
    import("./github/host-fetch.ts"),
    import("./service/dial.ts"),
  ]);
  return createHostFetch({ resolve: resolveBySystem, dial: dialTcp, upstream: parseUpstreamProxy(upstreamProxy) });
}
