/**
 * `fetch` as Octokit asks for it, over the host's own way outside: its proxy where it has one, no redirect followed, sizes and times
 * bounded (`service/api-upstream-request.ts`).
 */
import type { Readable } from "node:stream";
import { unreachable } from "../lib/unreachable.ts";
import { askUpstream } from "../service/api-upstream-request.ts";
import type { UpstreamAnswer, UpstreamWay } from "../service/api-upstream-request.ts";

/** What is read of an answer that is no JSON, such as a load balancer's page. */
const MAX_TEXT_BYTES = 64 << 10;

export function createHostFetch(way: UpstreamWay): typeof fetch {
  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const { method = "GET", body } = init;
    const signal = init.signal ?? new AbortController().signal;
    signal.throwIfAborted();
    const asked = {
      method,
      url,
      headers: Object.fromEntries(new Headers(init.headers)),
      body: Buffer.from(typeof body === "string" ? body : ""),
      signal,
    };
    const { status, headers, content } = await askUpstream(asked, way);
    return new Response(await textOf(content), { status, headers: knownHeaders(headers) });
  };
}

function knownHeaders(headers: UpstreamAnswer["headers"]): Headers {
  const known = new Headers();
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) known.set(name, value);
  return known;
}

async function textOf(content: UpstreamAnswer["content"]): Promise<string | null> {
  switch (content.kind) {
    case "none":
      return null;
    case "json":
      return content.text;
    case "stream":
      return await beginningOf(content.stream);
    default:
      return unreachable(content);
  }
}

async function beginningOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_TEXT_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, MAX_TEXT_BYTES).toString("utf8");
}
