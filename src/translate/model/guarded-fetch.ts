/**
 * The only way from here to a model's server. It goes to the configured address and nowhere else, follows no redirect, sends
 * nothing that holds a secret, reads a bounded answer to its end, and turns every failure into a `ModelFault`.
 * Source: SECURITY-RELIABILITY A21, A36, F22.
 */
import { refuseSecrets, textsOfBody } from "./outbound-filter.ts";
import type { HoldsSecret } from "./outbound-filter.ts";
import { ModelFault } from "./model-fault.ts";
import type { FaultKind } from "./model-fault.ts";

const MAX_ANSWER_BYTES = 1 << 20;
const MAX_REASON_CHARACTERS = 200;

export interface GuardedFetchOptions {
  /** Nothing is asked whose address does not begin so. */
  readonly baseUrl: string;
  readonly holdsSecret: HoldsSecret;
  /** Hidden where a server repeats it. */
  readonly apiKey: string | undefined;
  /** This host's way outside. */
  readonly fetch: typeof fetch;
}

export function guardedFetch({ baseUrl, holdsSecret, apiKey, fetch }: GuardedFetchOptions): typeof fetch {
  return async (input, init = {}) => {
    const url = input instanceof Request ? input.url : String(input);
    if (!isBelow(url, baseUrl)) throw new ModelFault("address", "a request would go elsewhere than to the model");
    if (input instanceof Request || (init.body != null && typeof init.body !== "string")) {
      throw new ModelFault("protocol", "a request has a body that cannot be looked at");
    }
    refuseSecrets([url, ...textsOfBody(init.body ?? "")], holdsSecret);
    const response = await sent(() => fetch(url, { ...init, redirect: "manual" }), init.signal);
    const { status, headers } = response;
    if (response.type === "opaqueredirect" || (status >= 300 && status < 400)) {
      await response.body?.cancel();
      throw new ModelFault("redirect", `the model's server leads elsewhere (${status}); it is not followed`);
    }
    const text = await sent(() => readBounded(response), init.signal);
    if (!response.ok) throw refusal(response, text, apiKey);
    return new Response(text, { status, headers: { "content-type": headers.get("content-type") ?? "" } });
  };
}

function isBelow(text: string, baseUrl: string): boolean {
  if (!URL.canParse(text)) return false;
  const [url, base] = [new URL(text), new URL(`${baseUrl}/`)];
  return url.origin === base.origin && url.pathname.startsWith(base.pathname);
}

/** An abort is the abort; what was named stays; all else is the network's. */
async function sent<T>(work: () => Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    if (error instanceof ModelFault) throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    if (cause instanceof Error && (code === "UND_ERR_SOCKET" || cause.message === "terminated")) {
      throw new ModelFault("cut", "the connection ended within the answer", { cause: error });
    }
    throw new ModelFault("unreachable", `its server cannot be reached${code === "" ? "" : ` (${code})`}`, {
      cause: error,
    });
  }
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new ModelFault("size", `its answer is longer than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function refusal({ status, headers }: Response, text: string, apiKey: string | undefined): ModelFault {
  const said = apiKey === undefined ? text : text.replaceAll(apiKey, "***");
  const reason = `its server answered ${status}: ${said.replaceAll(/\s+/gu, " ").slice(0, MAX_REASON_CHARACTERS)}`;
  return new ModelFault(kindOf(status), reason, {
    retryAfterMs: retryAfter(headers),
    refusesFormat: refusesFormat(status, text),
  });
}

function refusesFormat(status: number, text: string): boolean {
  return status === 400 || status === 422 || (status >= 500 && /response_format|json_schema/u.test(text));
}

function kindOf(status: number): FaultKind {
  if (status === 429) return "busy";
  if (status >= 500 || status === 408) return "server";
  return [401, 402, 403].includes(status) ? "credentials" : "request";
}

/** Seconds or a date, as RFC 9110 has it. */
function retryAfter(headers: Headers): number | undefined {
  const text = headers.get("retry-after")?.trim();
  if (text === undefined || text === "") return undefined;
  if (/^\d{1,6}(?:\.\d+)?$/u.test(text)) return Math.ceil(Number(text) * 1000);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
