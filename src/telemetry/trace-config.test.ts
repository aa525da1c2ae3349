import { describe, expect, it } from "vitest";
import { describeTraces, findTraceConfig } from "./trace-config.ts";

const find = (environment: Readonly<Record<string, string>>) => findTraceConfig((name) => environment[name]);

const ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT";
const OWN = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const HEADERS = "OTEL_EXPORTER_OTLP_HEADERS";

describe("where traces go", () => {
  it.each([
    {},
    { OTEL_SERVICE_NAME: "ci", [HEADERS]: "a=b" },
    { [ENDPOINT]: "http://c:4318", OTEL_SDK_DISABLED: "True" },
    { [ENDPOINT]: "http://c:4318", OTEL_TRACES_EXPORTER: "none" },
  ])("is nowhere for %j", (environment) => {
    expect(find(environment)).toEqual({ kind: "off" });
  });

  it.each([
    [{ [ENDPOINT]: "http://c:4318" }, "http://c:4318/v1/traces"],
    [{ [ENDPOINT]: "https://c/otlp/" }, "https://c/otlp/v1/traces"],
    [{ [ENDPOINT]: "https://c/otlp?key=k" }, "https://c/otlp/v1/traces?key=k"],
    [{ [OWN]: "https://c/taken-as-it-is" }, "https://c/taken-as-it-is"],
    [{ [OWN]: "https://c/", [ENDPOINT]: "http://other" }, "https://c/"],
    [{ [ENDPOINT]: "http://c", OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf" }, "http://c/v1/traces"],
  ])("is for %j %s", (environment, url) => {
    expect(find(environment)).toMatchObject({ kind: "on", url, service: "hearth", headers: {} });
  });

  it.each([
    { [ENDPOINT]: "localhost:4317" },
    { [ENDPOINT]: "c" },
    { [ENDPOINT]: "file:///etc/passwd" },
    { [ENDPOINT]: "http://user:password@c" },
    { [ENDPOINT]: "http://c", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
    { [ENDPOINT]: "http://c", OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "grpc" },
    { [ENDPOINT]: "http://c", [HEADERS]: "nothing" },
    { [ENDPOINT]: "http://c", [HEADERS]: "a b=c" },
    { [ENDPOINT]: "http://c", [HEADERS]: "a=%0d%0aHost: evil" },
    { [ENDPOINT]: "http://c", [HEADERS]: "a=%e4%b8%ad" },
    { [ENDPOINT]: "http://c", [HEADERS]: "a=100%" },
  ])("is a reason and no error for %j", (environment) => {
    const found = find(environment);
    if (found.kind !== "broken") throw new Error(`it is ${found.kind}`);
    expect(describeTraces(found)).toMatch(/^not sent: \$OTEL_/u);
    expect(JSON.stringify(found)).not.toContain("password");
  });
});

describe("headers", () => {
  it("are a list of pairs with encoded values, those of traces in place of the others", () => {
    const environment = { [ENDPOINT]: "http://c", [HEADERS]: " Authorization = Basic%20abc== , x-team=a=b,," };
    expect(find(environment)).toMatchObject({ headers: { authorization: "Basic abc==", "x-team": "a=b" } });
    expect(find({ ...environment, OTEL_EXPORTER_OTLP_TRACES_HEADERS: "k=v" })).toMatchObject({ headers: { k: "v" } });
  });

  it("and queries are not shown", () => {
    const found = find({ [OWN]: "https://c/in?api-key=secret-1", [HEADERS]: "k=secret-2", OTEL_SERVICE_NAME: "ci" });
    if (found.kind !== "on") throw new Error("it is on");
    expect(describeTraces(found)).toBe("https://c/in as ci, with headers");
  });
});
