/**
 * Where runs are told as traces: OpenTelemetry's own variables, that of traces before that of all signals, and nothing where none is
 * set. Other programs read the same variables, so what we cannot use is kept as the reason why nothing is sent, and stops no run.
 * Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/
 */

export type TraceConfig =
  | { readonly kind: "off" }
  | { readonly kind: "broken"; readonly reason: string; readonly source: string }
  | TraceSettings;

export interface TraceSettings {
  readonly kind: "on";
  /** `http:` or `https:`; its query may hold a key. */
  readonly url: string;
  /** May hold keys. */
  readonly headers: Readonly<Record<string, string>>;
  readonly service: string;
  /** The variable that the address is from. */
  readonly source: string;
}

type Variable = (name: string) => string | undefined;

export function findTraceConfig(variable: Variable): TraceConfig {
  const own = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  const typed = own ?? variable("OTEL_EXPORTER_OTLP_ENDPOINT");
  const isOff = variable("OTEL_SDK_DISABLED")?.toLowerCase() === "true" || variable("OTEL_TRACES_EXPORTER") === "none";
  if (typed === undefined || isOff) return { kind: "off" };
  const source = `$${own === undefined ? "OTEL_EXPORTER_OTLP_ENDPOINT" : "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}`;
  const broken = (reason: string): TraceConfig => ({ kind: "broken", reason, source });
  // Every collector that takes protobuf over HTTP takes JSON at the same address; gRPC has an address of its own.
  const ofTraces = (name: string) =>
    variable(`OTEL_EXPORTER_OTLP_TRACES_${name}`) ?? variable(`OTEL_EXPORTER_OTLP_${name}`);
  if (ofTraces("PROTOCOL") === "grpc") return broken("$OTEL_EXPORTER_OTLP_PROTOCOL is grpc, and they go over http");
  const url = URL.canParse(typed) ? new URL(typed) : undefined;
  if (url === undefined || !/^https?:$/u.test(url.protocol) || url.username + url.password !== "") {
    return broken(`${source} is no http or https address, or holds credentials`);
  }
  if (own === undefined) url.pathname = `${url.pathname.replace(/\/+$/u, "")}/v1/traces`;
  const headers = headersOf(ofTraces("HEADERS") ?? "");
  if (headers === undefined) return broken("$OTEL_EXPORTER_OTLP_HEADERS is no list such as name=value,other=value");
  const service = variable("OTEL_SERVICE_NAME") ?? "hearth";
  return { kind: "on", url: url.href, headers, service, source };
}

/** For people, without what may be a key. */
export function describeTraces(config: Exclude<TraceConfig, { kind: "off" }>): string {
  if (config.kind === "broken") return `not sent: ${config.reason}`;
  return `${addressOf(config)} as ${config.service}${Object.keys(config.headers).length > 0 ? ", with headers" : ""}`;
}

/** Without its query. */
export function addressOf({ url }: Pick<TraceSettings, "url">): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** As W3C baggage without properties: values are percent-encoded. */
function headersOf(text: string): Readonly<Record<string, string>> | undefined {
  const headers = new Map<string, string>();
  for (const item of text.split(",")) {
    if (item.trim() === "") continue;
    const [, name, encoded] = /^\s*([!#$%&'*+.^_`|~\w-]+)\s*=\s*(.*?)\s*$/u.exec(item) ?? [];
    const value = encoded === undefined ? undefined : decoded(encoded);
    if (name === undefined || value === undefined) return undefined;
    headers.set(name.toLowerCase(), value);
  }
  return Object.fromEntries(headers);
}

/** Undefined for what no header can hold. */
function decoded(text: string): string | undefined {
  try {
    const value = decodeURIComponent(text);
    return /^[\t\x20-\x7e\x80-\xff]*$/u.test(value) ? value : undefined;
  } catch {
    // A `%` that begins nothing.
    return undefined;
  }
}
