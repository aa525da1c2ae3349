/**
 * An OpenTelemetry collector for tests: takes `POST` of OTLP/JSON, and keeps what it was sent once its shape is exactly that of
 * `ExportTraceServiceRequest` (opentelemetry-proto, JSON mapping of OTLP: ids in hexadecimal, 64-bit numbers as text).
 */
import { createServer } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import * as z from "zod";

/** `hang`: takes the request and never answers. */
export type CollectorMode = "good" | "error" | "hang" | "redirect" | "cut";

const Attribute = z.strictObject({
  key: z.string().min(1),
  value: z.union([
    z.strictObject({ stringValue: z.string() }),
    z.strictObject({ boolValue: z.boolean() }),
    z.strictObject({ intValue: z.string().regex(/^-?\d+$/u) }),
  ]),
});

const CollectedSpan = z.strictObject({
  traceId: z.string().regex(/^(?!0{32})[0-9a-f]{32}$/u),
  spanId: z.string().regex(/^(?!0{16})[0-9a-f]{16}$/u),
  parentSpanId: z
    .string()
    .regex(/^(?!0{16})[0-9a-f]{16}$/u)
    .optional(),
  flags: z.literal(1),
  name: z.string().min(1).max(128),
  kind: z.union([z.literal(1), z.literal(2)]),
  startTimeUnixNano: z.string().regex(/^\d{19}$/u),
  endTimeUnixNano: z.string().regex(/^\d{19}$/u),
  attributes: z.array(Attribute),
  status: z.strictObject({ code: z.literal(2), message: z.string() }).optional(),
});

const ExportTraceServiceRequest = z.strictObject({
  resourceSpans: z.array(
    z.strictObject({
      resource: z.strictObject({ attributes: z.array(Attribute) }),
      scopeSpans: z.array(
        z.strictObject({
          scope: z.strictObject({ name: z.string(), version: z.string() }),
          spans: z.array(CollectedSpan),
        }),
      ),
    }),
  ),
});

export interface TakenSpan extends Omit<z.infer<typeof CollectedSpan>, "attributes"> {
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

export interface Collector extends AsyncDisposable {
  /** `http://127.0.0.1:port`, without a path. */
  readonly url: string;
  mode: CollectorMode;
  /** Of all requests that were answered well, in order. Throws where one of them was not of that shape. */
  spans(): readonly TakenSpan[];
  /** Of all requests, whatever became of them. */
  readonly requests: readonly CollectedRequest[];
}

export interface CollectedRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly taken: boolean;
}

export async function startCollector(mode: CollectorMode = "good"): Promise<Collector> {
  const requests: CollectedRequest[] = [];
  const server = createServer((request, response) => void answer(request, response));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { mode: now } = collector;
    const body = await text(request);
    requests.push({ path: request.url ?? "", headers: request.headers, body, taken: now === "good" });
    if (now === "good") response.writeHead(200, { "content-type": "application/json" }).end('{"partialSuccess":{}}');
    if (now === "error") response.writeHead(503).end("no");
    if (now === "redirect") response.writeHead(307, { location: `${collector.url}/elsewhere` }).end();
    if (now === "cut") response.destroy();
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it listens on no port");
  const collector: Collector = {
    url: `http://127.0.0.1:${address.port}`,
    mode,
    requests,
    spans: () => requests.flatMap(({ body, taken }) => (taken ? spansOf(body) : [])),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return collector;
}

function spansOf(body: string): readonly TakenSpan[] {
  const { resourceSpans } = ExportTraceServiceRequest.parse(JSON.parse(body));
  return resourceSpans.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({ ...span, attributes: Object.fromEntries(span.attributes.map(valueOf)) })),
    ),
  );
}

function valueOf({ key, value }: z.infer<typeof Attribute>): [string, string | number | boolean] {
  if ("intValue" in value) return [key, Number(value.intValue)];
  return [key, "stringValue" in value ? value.stringValue : value.boolValue];
}
