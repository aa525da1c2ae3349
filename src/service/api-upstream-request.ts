/** One HTTPS request of the host to GitHub: by the host's own way outside, bounded in time and size, without following redirects. */
import { once } from "node:events";
import { request as requestHttp } from "node:http";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import type { Duplex, Readable } from "node:stream";
import { connect as connectTls } from "node:tls";
import { ApiProblem } from "./api-message.ts";
import type { Resolve } from "./destination.ts";
import type { Dial, ProxyRoute } from "./dial.ts";
import { dialProxy, isBypassed, openTunnel } from "./dial.ts";

export interface UpstreamRequest {
  readonly method: string;
  /** `http:` or `https:`. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly signal: AbortSignal;
}

export interface UpstreamAnswer {
  readonly status: number;
  /** By lower-case name; of repeated ones the first. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly content:
    | { readonly kind: "none" }
    | { readonly kind: "json"; readonly text: string }
    | { readonly kind: "stream"; readonly type: string; readonly stream: Readable };
}

export interface UpstreamWay {
  readonly resolve: Resolve;
  readonly dial: Dial;
  readonly upstream: ProxyRoute | undefined;
}

const MAX_JSON_BYTES = 32 << 20;
const MAX_HEAD_BYTES = 64 << 10;
const ANSWER_MS = 60_000;

/** Throws `ApiProblem` 502 when GitHub cannot be reached or says what cannot be passed on. */
export async function askUpstream(asked: UpstreamRequest, way: UpstreamWay): Promise<UpstreamAnswer> {
  const { signal } = asked;
  let response: IncomingMessage;
  try {
    response = await send(asked, await connect(asked.url, way));
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ApiProblem(502, `GitHub cannot be reached: ${error instanceof Error ? error.message : "no answer"}`);
  }
  const status = response.statusCode ?? 502;
  const headers = headersOf(response);
  const type = headers["content-type"] ?? "";
  if (status === 204 || status === 304 || headers["content-length"] === "0") {
    response.resume();
    return { status, headers, content: { kind: "none" } };
  }
  if (!/^application\/(?:[\w.+-]+\+)?json\b/.test(type)) {
    return { status, headers, content: { kind: "stream", type: type || "application/octet-stream", stream: response } };
  }
  const text = await readText(response);
  return { status, headers, content: text === "" ? { kind: "none" } : { kind: "json", text } };
}

async function connect(url: URL, { resolve, dial, upstream }: UpstreamWay): Promise<Duplex> {
  const host = url.hostname.replaceAll(/^\[|\]$/g, "");
  const isSecure = url.protocol === "https:";
  const place = { host, port: Number(url.port || (isSecure ? 443 : 80)) };
  const connection =
    upstream === undefined || isBypassed(upstream, place)
      ? await dial(isIP(host) === 0 ? await resolve(host) : [host], place.port)
      : await openTunnel(await dialProxy(upstream, resolve, dial), place, upstream);
  if (!isSecure) return connection;
  const encrypted = connectTls({ socket: connection, ...(isIP(host) === 0 ? { servername: host } : {}) });
  await once(encrypted, "secureConnect", { signal: AbortSignal.timeout(ANSWER_MS) });
  return encrypted;
}

async function send({ method, url, headers, body, signal }: UpstreamRequest, socket: Duplex): Promise<IncomingMessage> {
  const hasBody = method !== "GET" && method !== "HEAD";
  const sent = requestHttp({
    method,
    path: `${url.pathname}${url.search}`,
    headers: {
      ...headers,
      host: url.host,
      connection: "close",
      ...(hasBody ? { "content-length": String(body.length) } : {}),
    },
    createConnection: () => socket,
    maxHeaderSize: MAX_HEAD_BYTES,
    signal,
  });
  sent.setTimeout(ANSWER_MS, () => sent.destroy(new Error("it does not answer")));
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sent.once("response", resolve);
    sent.once("error", reject);
  });
  sent.end(hasBody ? body : undefined);
  return await answered;
}

function headersOf({ headers }: IncomingMessage): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]),
  );
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    if (bytes > MAX_JSON_BYTES) throw new ApiProblem(502, "GitHub's answer is too large to be passed on");
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  try {
    if (text !== "") JSON.parse(text);
  } catch {
    throw new ApiProblem(502, "GitHub's answer is not the JSON that it says it is");
  }
  return text;
}
