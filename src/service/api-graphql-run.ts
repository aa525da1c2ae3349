/**
 * Answers a GraphQL operation from objects whose fields are functions. It knows no schema: a field that an object does not have is
 * GitHub's error of a field that does not exist, and then there is no data at all, so that nobody takes a gap for an empty answer.
 */
import { unreachable } from "../lib/unreachable.ts";
import type { Json, JsonObject } from "./api-message.ts";
import type { Directive, GraphqlDocument, GraphqlValue, Operation, Selection } from "./api-graphql-parse.ts";

export interface GraphqlObject {
  readonly type: string;
  /** Interfaces and unions it also goes by: `Node`, `Actor`. */
  readonly also?: readonly string[];
  readonly fields: Readonly<Record<string, Json | GraphqlObject | Resolver>>;
}

export type Resolver = (args: JsonObject) => GraphqlResult | Promise<GraphqlResult>;
export type GraphqlResult = Json | GraphqlObject | readonly GraphqlObject[];

export interface GraphqlFault {
  readonly type: string;
  readonly message: string;
  readonly path?: readonly string[];
}

/** Thrown by resolvers too: `NOT_FOUND`, `FORBIDDEN`. */
export class GraphqlProblem extends Error {
  override readonly name = "GraphqlProblem";
  readonly type: string;

  constructor(type: string, message: string) {
    super(message);
    this.type = type;
  }
}

/** All together, aliases and lists counted in. */
const MAX_FIELDS = 20_000;
const MAX_DEPTH = 64;

/** `undefinedField` and others that concern the query as a whole are thrown as `GraphqlProblem`; faults of a field leave null there. */
export async function runGraphql(
  { fragments }: GraphqlDocument,
  { selection, defaults }: Operation,
  given: JsonObject,
  root: GraphqlObject,
): Promise<{ readonly data: JsonObject; readonly errors: readonly GraphqlFault[] }> {
  const errors: GraphqlFault[] = [];
  let left = MAX_FIELDS;

  const valueOf = (value: GraphqlValue): Json => {
    switch (value.kind) {
      case "scalar":
        return value.value;
      case "list":
        return value.items.map(valueOf);
      case "object":
        return Object.fromEntries([...value.fields].map(([name, field]) => [name, valueOf(field)]));
      case "variable": {
        const fallback = defaults.get(value.name);
        return given[value.name] ?? (fallback === undefined ? null : valueOf(fallback));
      }
      default:
        return unreachable(value);
    }
  };
  const argsOf = (args: ReadonlyMap<string, GraphqlValue>): JsonObject =>
    Object.fromEntries([...args].map(([name, value]) => [name, valueOf(value)]));
  const isWanted = (directives: readonly Directive[]): boolean =>
    directives.every(({ name, args }) => {
      const condition = argsOf(args)["if"];
      if (name === "skip") return condition !== true;
      return name !== "include" || condition !== false;
    });

  async function select(
    object: GraphqlObject,
    wanted: readonly Selection[],
    path: readonly string[],
    depth: number,
  ): Promise<JsonObject> {
    // Fragments can name each other for ever.
    if (depth > MAX_DEPTH) throw new GraphqlProblem("MAX_NODE_LIMIT_EXCEEDED", "The query is nested too deep");
    const answer: Record<string, Json | undefined> = Object.create(null);
    for (const one of wanted) {
      if (!isWanted(one.directives)) continue;
      countOne();
      if (one.kind !== "field") {
        const part = one.kind === "inline" ? one : fragments.get(one.fragment);
        if (part === undefined)
          throw new GraphqlProblem("undefinedFragment", `Fragment ${shownFragment(one)} was used, but not defined`);
        if (part.on === undefined || part.on === object.type || object.also?.includes(part.on))
          mergeInto(answer, await select(object, part.selection, path, depth + 1));
        continue;
      }
      mergeInto(answer, { [one.alias]: await field(object, one, [...path, one.alias], depth) });
    }
    return answer;
  }

  function countOne(): void {
    left -= 1;
    if (left < 0) throw new GraphqlProblem("MAX_NODE_LIMIT_EXCEEDED", "The query asks for too much");
  }

  async function field(
    object: GraphqlObject,
    { name, args, selection }: Extract<Selection, { kind: "field" }>,
    path: readonly string[],
    depth: number,
  ): Promise<Json> {
    if (name === "__typename") return object.type;
    const known = Object.hasOwn(object.fields, name) ? object.fields[name] : undefined;
    if (known === undefined)
      throw new GraphqlProblem("undefinedField", `Field '${name}' doesn't exist on type '${object.type}'`);
    try {
      const value = typeof known === "function" ? await known(argsOf(args)) : known;
      return await complete(value, selection, path, name, depth + 1);
    } catch (error) {
      if (!(error instanceof GraphqlProblem) || !PARTIAL.has(error.type)) throw error;
      errors.push({ type: error.type, message: error.message, path });
      return null;
    }
  }

  async function complete(
    value: GraphqlResult,
    selection: readonly Selection[],
    path: readonly string[],
    name: string,
    depth: number,
  ): Promise<Json> {
    if (isGraphqlObject(value)) {
      if (selection.length === 0)
        throw new GraphqlProblem("selectionMismatch", `Field '${name}' needs a selection of subfields`);
      return await select(value, selection, path, depth);
    }
    if (!isListOfResults(value)) return value;
    const items: Json[] = [];
    for (const [index, item] of value.entries())
      items.push(await complete(item, selection, [...path, String(index)], name, depth));
    return items;
  }

  return { data: await select(root, selection, [], 0), errors };
}

/** What is missing or forbidden leaves a gap and an error; anything else spoils the whole answer. */
const PARTIAL: ReadonlySet<string> = new Set(["NOT_FOUND", "FORBIDDEN", "UNPROCESSABLE"]);

function shownFragment(selection: Selection): string {
  return selection.kind === "spread" ? selection.fragment : "";
}

/** The same field may be asked for twice, with different members. */
function mergeInto(answer: Record<string, Json | undefined>, part: JsonObject): void {
  for (const [name, value] of Object.entries(part)) {
    const known = answer[name];
    answer[name] = isPlain(known) && isPlain(value) ? merged(known, value) : value;
  }
}

function merged(known: JsonObject, value: JsonObject): JsonObject {
  const both: Record<string, Json | undefined> = { ...known };
  mergeInto(both, value);
  return both;
}

function isPlain(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isGraphqlObject(value: GraphqlResult): value is GraphqlObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && "fields" in value && "type" in value;
}

function isListOfResults(value: GraphqlResult): value is readonly Json[] | readonly GraphqlObject[] {
  return Array.isArray(value);
}
