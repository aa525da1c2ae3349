/**
 * GitHub's own description of its API (`@octokit/openapi`), cut down to what is asked for: is this request one that GitHub takes, and
 * what does an answer look like? The whole is read once for each process; each route is compiled when it is first used.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Ajv } from "ajv";
import type { ValidateFunction } from "ajv";
import addFormats from "ajv-formats";

export interface DescribedRoute {
  /** `POST /repos/{owner}/{repo}/check-runs`. */
  readonly name: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** What is wrong with the request; empty when nothing is. */
  faults(query: URLSearchParams, body: unknown): readonly string[];
  /** GitHub's example of the answer with this status. */
  example(status: number): Record<string, unknown>;
}

type Json = { readonly [key: string]: unknown };

interface Document {
  readonly paths: { readonly [path: string]: { readonly [method: string]: Json } };
  readonly components: { readonly [kind: string]: { readonly [name: string]: Json } };
}

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: { readonly [type: string]: { readonly schema?: Json } } };
  readonly responses: {
    readonly [status: string]: {
      readonly content?: {
        readonly [type: string]: {
          readonly examples?: { readonly [name: string]: { readonly value?: Record<string, unknown> } };
        };
      };
    };
  };
}

let document: Document | undefined;
const compiled = new Map<string, Omit<DescribedRoute, "parameters">>();

/** Undefined for what GitHub does not have. */
export function findRoute(method: string, path: string): DescribedRoute | undefined {
  document ??= readDocument();
  const parts = path.split("/");
  const templates = Object.keys(document.paths).filter((template) => {
    const wanted = template.split("/");
    return (
      document?.paths[template]?.[method.toLowerCase()] !== undefined &&
      wanted.length === parts.length &&
      wanted.every((part, index) => part.startsWith("{") || part === parts[index])
    );
  });
  // Of `/app/hook/{x}` and `/app/hook/deliveries` the one with fewer parameters is meant.
  const template = templates.toSorted((a, b) => a.split("{").length - b.split("{").length)[0];
  if (template === undefined) return undefined;
  const name = `${method} ${template}`;
  let route = compiled.get(name);
  if (route === undefined) compiled.set(name, (route = compile(document, name, method, template)));
  const names = template.split("/").map((part) => /^\{(?<name>.*)\}$/.exec(part)?.groups?.["name"]);
  const parameters = Object.fromEntries(
    names.flatMap((key, index) => (key === undefined ? [] : [[key, decodeURIComponent(parts[index] ?? "")]])),
  );
  return { ...route, parameters };
}

function readDocument(): Document {
  const path = createRequire(import.meta.url).resolve("@octokit/openapi/generated/api.github.com.json");
  const whole: Document = JSON.parse(readFileSync(path, "utf8"));
  return whole;
}

function compile(whole: Document, name: string, method: string, template: string): Omit<DescribedRoute, "parameters"> {
  const operation = operationOf(whole, whole.paths[template]?.[method.toLowerCase()]);
  const ajv = new Ajv({ strict: false, allErrors: true, coerceTypes: false });
  addFormats.default(ajv);
  const schema = operation.requestBody?.content["application/json"]?.schema;
  const body: ValidateFunction | undefined = schema && ajv.compile(schema);
  const known = operation.parameters ?? [];
  return {
    name,
    faults(query, value) {
      const strange = [...query.keys()].filter((key) => !known.some((one) => one.in === "query" && one.name === key));
      const found = strange.map((key) => `the query has ${key}, which GitHub does not know`);
      if (body === undefined) return value === undefined ? found : [...found, "there is a body"];
      if (!body(value)) found.push(...(body.errors ?? []).map((error) => `body${error.instancePath} ${error.message}`));
      return [...found, ...strangeMembers(schema, value)];
    },
    example(status) {
      const examples = operation.responses[String(status)]?.content?.["application/json"]?.examples ?? {};
      return structuredClone(Object.values(examples)[0]?.value ?? {});
    },
  };
}

/** A member that GitHub does not know would be passed over there, and what it was to say with it. */
function strangeMembers(schema: Json | undefined, value: unknown): readonly string[] {
  const properties = schema?.["properties"];
  if (typeof value !== "object" || value === null || typeof properties !== "object" || properties === null) return [];
  return Object.keys(value)
    .filter((key) => !(key in properties))
    .map((key) => `body has ${key}, which GitHub does not know`);
}

/** With what `$ref` leads to in its place; what leads to itself stands for anything. */
function operationOf(whole: Document, value: unknown): Operation {
  const copy: Operation = JSON.parse(JSON.stringify(withoutReferences(whole, value)));
  return copy;
}

function withoutReferences(whole: Document, value: unknown, trail: readonly string[] = []): unknown {
  if (Array.isArray(value)) return value.map((one) => withoutReferences(whole, one, trail));
  if (typeof value !== "object" || value === null) return value;
  if ("$ref" in value && typeof value.$ref === "string") {
    if (trail.includes(value.$ref)) return {};
    const [, , kind = "", name = ""] = value.$ref.split("/");
    return withoutReferences(whole, whole.components[kind]?.[name] ?? {}, [...trail, value.$ref]);
  }
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withoutReferences(whole, one, trail)]));
}
