/** Versions and archives of a Go module from the proxies that `GOPROXY` names. Source: go.dev/ref/mod#goproxy-protocol. */
import { EngineError } from "../lib/engine-error.ts";
import { download } from "./tool-download.ts";
import type { Network } from "./tool-download.ts";

/** Throws SETUP_FAILED where no proxy knows the module. */
export async function moduleVersions(module: string, network: Network): Promise<readonly string[]> {
  return (await fromProxies(`${module}/@v/list`, network)).toString("utf8").split("\n").filter(Boolean);
}

/** Its entries stand below `module@version/`. */
export async function moduleArchive(module: string, version: string, network: Network): Promise<Buffer> {
  return fromProxies(`${module}/@v/${version}.zip`, network);
}

async function fromProxies(path: string, network: Network): Promise<Buffer> {
  for (const proxy of network.goProxies) {
    const bytes = await download(`${proxy}/${path}`, network);
    if (bytes !== undefined) return bytes;
  }
  const asked = network.goProxies.length === 0 ? "GOPROXY names none" : `asked: ${network.goProxies.join(", ")}`;
  throw new EngineError("SETUP_FAILED", `No Go module proxy has ${path} (${asked})`);
}
