/**
 * OTLP/HTTP with JSON: spans to the body of one `POST`, and its sending. Our own, since the SDK for it (sdk-trace-base 2.12 and
 * exporter-trace-otlp-http 0.223 beside api 1.9) is 12 packages of 27 MiB, takes 120 to 370 ms and 22 MiB of memory to load
 * (Node 24), cannot be bundled as an ES module, and knows nothing of the host's proxy; what is
 * left of it here is one JSON object. Source: https://opentelemetry.io/docs/specs/otlp/, opentelemetry-proto `trace.proto`.
 */
import type { Span, SpanAttributes } from "./span.ts";
import type { TraceSettings } from "./trace-config.ts";

/** `Span.SpanKind` and `Status.StatusCode`. JSON has the numbers. */
const INTERNAL = 1;
const SERVER = 2;
const STATUS_ERROR = 2;

/** W3C trace-context: sampled. */
const FLAGS = 1;

export interface Sender {
  readonly settings: Pick<TraceSettings, "url" | "headers" | "service">;
  readonly version: string;
  readonly fetch: typeof fetch;
}

/** Throws for an answer that is no 2xx, and as `fetch` does. Follows no redirect: the headers are for the address that was given. */
export async function sendSpans(
  { settings, version, fetch }: Sender,
  spans: readonly Span[],
  signal: AbortSignal,
): Promise<void> {
  const answer = await fetch(settings.url, {
    method: "POST",
    headers: { ...settings.headers, "content-type": "application/json", "user-agent": `hearth/${version}` },
    body: JSON.stringify(requestOf(spans, { service: settings.service, version })),
    redirect: "manual",
    signal,
  });
  await answer.body?.cancel();
  if (!answer.ok) throw new Error(`it answered ${answer.status}`);
}

/** `ExportTraceServiceRequest`. */
function requestOf(
  spans: readonly Span[],
  { service, version }: { readonly service: string; readonly version: string },
) {
  const resource = { attributes: pairs({ "service.name": service, "service.version": version }) };
  const scopeSpans = [{ scope: { name: "hearth", version }, spans: spans.map(toJson) }];
  return { resourceSpans: [{ resource, scopeSpans }] };
}

function toJson({ traceId, spanId, parentSpanId, name, startMs, endMs, attributes, error }: Span) {
  return {
    traceId,
    spanId,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    flags: FLAGS,
    name,
    kind: parentSpanId === undefined ? SERVER : INTERNAL,
    startTimeUnixNano: nanoseconds(startMs),
    endTimeUnixNano: nanoseconds(endMs),
    attributes: pairs(attributes),
    ...(error === undefined ? {} : { status: { code: STATUS_ERROR, message: error } }),
  };
}

function pairs(attributes: SpanAttributes) {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: toValue(value) }],
  );
}

/** 64-bit numbers are text. */
function toValue(value: string | number | boolean) {
  if (typeof value === "string") return { stringValue: value };
  return typeof value === "boolean" ? { boolValue: value } : { intValue: String(value) };
}

function nanoseconds(ms: number): string {
  return `${BigInt(Math.round(ms)) * 1_000_000n}`;
}
