/**
 * Checks requests against Firecracker's own OpenAPI description (Swagger 2.0): method, path, and every field of the body. A field
 * that the description does not name is a fault, as Firecracker refuses it (`deny_unknown_fields`).
 */
import { existsSync, readFileSync } from "node:fs";
import { parse } from "yaml";

const FILE = new URL("../../../shared/firecracker-openapi.yaml", import.meta.url);

/** In a plain clone the description is not beside the project. */
export const hasDescription = existsSync(FILE);

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
}

interface Operation {
  readonly parameters?: readonly { readonly in: string; readonly required?: boolean; readonly schema?: Schema }[];
}

interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly definitions: Readonly<Record<string, Schema>>;
}

let description: Description | undefined;

/** What is wrong with a request; empty when it is as described. */
export function requestFaults(method: string, path: string, body: unknown): string[] {
  const { paths, definitions } = (description ??= readDescription());
  const template = Object.keys(paths).find((candidate) => matches(candidate, path));
  const operation = template === undefined ? undefined : paths[template]?.[method.toLowerCase()];
  if (operation === undefined) return [`there is no ${method} ${path}`];
  const parameter = operation.parameters?.find((one) => one.in === "body");
  if (body === undefined) return parameter?.required === true ? [`${method} ${path} needs a body`] : [];
  if (parameter?.schema === undefined) return [`${method} ${path} takes no body`];
  return valueFaults(parameter.schema, body, "body", definitions);
}

function readDescription(): Description {
  const read: Description = parse(readFileSync(FILE, "utf8"));
  return read;
}

function matches(template: string, path: string): boolean {
  const [expected, given] = [template.split("/"), path.split("/")];
  return (
    expected.length === given.length &&
    expected.every((part, index) => part === given[index] || (part.startsWith("{") && given[index] !== ""))
  );
}

function valueFaults(schema: Schema, value: unknown, at: string, definitions: Description["definitions"]): string[] {
  if (schema.$ref !== undefined) {
    const definition = definitions[schema.$ref.replace("#/definitions/", "")];
    return definition === undefined
      ? [`${schema.$ref} is not defined`]
      : valueFaults(definition, value, at, definitions);
  }
  if (schema.enum !== undefined && !schema.enum.includes(value)) return [`${at} is none of ${schema.enum.join(", ")}`];
  switch (schema.type) {
    case "object":
      return objectFaults(schema, value, at, definitions);
    case "array":
      if (!Array.isArray(value)) return [`${at} is no array`];
      return value.flatMap((item, index) => valueFaults(schema.items ?? {}, item, `${at}[${index}]`, definitions));
    case "integer":
      if (!Number.isInteger(value)) return [`${at} is no integer`];
      if (Number(value) < (schema.minimum ?? -Infinity)) return [`${at} is below ${schema.minimum}`];
      return Number(value) > (schema.maximum ?? Infinity) ? [`${at} is above ${schema.maximum}`] : [];
    case "boolean":
    case "string":
      return typeof value === schema.type ? [] : [`${at} is no ${schema.type}`];
    default:
      return [];
  }
}

function objectFaults(schema: Schema, value: unknown, at: string, definitions: Description["definitions"]): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${at} is no object`];
  const given = new Map(Object.entries(value));
  const missing = (schema.required ?? []).filter((name) => !given.has(name)).map((name) => `${at}.${name} is missing`);
  const { additionalProperties: more } = schema;
  return [...given].reduce<string[]>((faults, [name, one]) => {
    const property = schema.properties?.[name] ?? (typeof more === "object" ? more : undefined);
    if (property !== undefined) return [...faults, ...valueFaults(property, one, `${at}.${name}`, definitions)];
    return more === true ? faults : [...faults, `${at}.${name} is unknown`];
  }, missing);
}
