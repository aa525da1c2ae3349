/**
 * What tools are fetched with: bounded in size and time, over this host's own proxy, with the credentials that stand in a registry's
 * address sent to that registry alone.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { setGlobalProxyFromEnv } from "node:http";
import { EngineError } from "../lib/engine-error.ts";

export interface Network {
  /** With a slash at its end; may hold credentials. */
  readonly npmRegistry: string;
  /** Of Go modules, in order; without a slash at their ends. */
  readonly goProxies: readonly string[];
  /** As pip has it: ends in `/simple`. */
  readonly pypiIndex: string;
  /** As nodejs.org has them below `/dist`. */
  readonly nodeReleases: string;
  /** The assets of python-build-standalone's latest release. */
  readonly pythonReleases: string;
  readonly proxy: { readonly url: string; readonly noProxy: readonly string[] } | undefined;
  readonly signal: AbortSignal;
}

/** Asked first, where they can be reached. */
export const RELEASE_SITES = {
  nodeReleases: "https://nodejs.org/dist",
  pythonReleases: "https://github.com/astral-sh/python-build-standalone/releases/latest/download",
} as const;

/** The hash that a registry promised: `sha512-<base64>` as npm writes it, or `sha256:<hex>`. */
export interface DownloadOptions {
  readonly integrity?: string | undefined;
  readonly accept?: string;
  readonly timeoutMs?: number;
}

const MAX_BYTES = 512 * 1024 * 1024;
const TIMEOUT_MS = 600_000;
/** For asking somebody who may not be reachable from here at all. */
export const SHORT_TIMEOUT_MS = 8_000;

/** For all that this process fetches. */
export function useProxy({ proxy }: Network): void {
  if (proxy === undefined) return;
  setGlobalProxyFromEnv({ http_proxy: proxy.url, https_proxy: proxy.url, no_proxy: proxy.noProxy.join(",") });
}

/** Undefined where there is no such thing (404, 410, or 403 of a mirror that does not have it). Throws SETUP_FAILED. */
export async function download(
  url: string,
  { signal }: Pick<Network, "signal">,
  { integrity, accept, timeoutMs = TIMEOUT_MS }: DownloadOptions = {},
): Promise<Buffer | undefined> {
  const { address, authorization } = withoutCredentials(url);
  const headers = { ...(accept && { Accept: accept }), ...(authorization && { Authorization: authorization }) };
  const fail = (why: string, cause?: unknown) =>
    new EngineError("SETUP_FAILED", `Cannot fetch ${address}: ${why}`, { cause });
  let bytes: Buffer;
  try {
    const response = await fetch(address, {
      headers,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    if ([403, 404, 410].includes(response.status)) return undefined;
    if (!response.ok || response.body === null) throw fail(`it answers ${response.status}`);
    bytes = await readAll(response.body, () => fail(`it is larger than ${MAX_BYTES} bytes`));
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof EngineError) throw cause;
    throw fail(reasonOf(cause), cause);
  }
  if (integrity !== undefined && !isPromised(bytes, integrity)) throw fail("it is not what its registry says it is");
  return bytes;
}

/** Throws SETUP_FAILED also where it is not there. */
export async function downloadOrFail(
  url: string,
  network: Pick<Network, "signal">,
  options: DownloadOptions = {},
): Promise<Buffer> {
  const bytes = await download(url, network, options);
  if (bytes !== undefined) return bytes;
  throw new EngineError("SETUP_FAILED", `Cannot fetch ${withoutCredentials(url).address}: it is not there`);
}

async function readAll(body: AsyncIterable<Uint8Array>, tooLarge: () => EngineError): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function withoutCredentials(url: string): { readonly address: string; readonly authorization: string | undefined } {
  const parsed = new URL(url);
  const { username, password } = parsed;
  if (username === "" && password === "") return { address: url, authorization: undefined };
  parsed.username = "";
  parsed.password = "";
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { address: parsed.href, authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
}

function isPromised(bytes: Buffer, integrity: string): boolean {
  const { algorithm, base64, hex } =
    /^(?<algorithm>sha\d+)(?:-(?<base64>[\w+/=]+)|:(?<hex>[0-9a-f]+))$/u.exec(integrity)?.groups ?? {};
  if (algorithm === undefined || !["sha256", "sha384", "sha512"].includes(algorithm)) return false;
  const expected = base64 === undefined ? Buffer.from(hex ?? "", "hex") : Buffer.from(base64, "base64");
  const digest = createHash(algorithm).update(bytes).digest();
  return digest.length === expected.length && timingSafeEqual(digest, expected);
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
