/** Lists as GraphQL has them: `first`, `last`, `after`, `before`, with cursors that are positions. Source: GitHub "Using pagination in the GraphQL API". */
import type { GraphqlObject } from "./api-graphql-run.ts";
import { GraphqlProblem } from "./api-graphql-run.ts";
import type { Json, JsonObject } from "./api-message.ts";

const MAX_ITEMS = 100;

export function connection(type: string, items: readonly GraphqlObject[], args: JsonObject): GraphqlObject {
  const [first, last] = [countOf(args["first"], "first"), countOf(args["last"], "last")];
  if (first === undefined && last === undefined)
    throw new GraphqlProblem(
      "MISSING_PAGINATION_BOUNDARIES",
      `You must provide a 'first' or 'last' value to properly paginate the connection of ${type}.`,
    );
  const from = args["after"] === undefined || args["after"] === null ? 0 : positionOf(args["after"]) + 1;
  const to = args["before"] === undefined || args["before"] === null ? items.length : positionOf(args["before"]);
  const window = items.map((node, position) => ({ node, position })).slice(from, Math.max(from, to));
  const forward = first === undefined ? window : window.slice(0, first);
  const shown = last === undefined ? forward : forward.slice(Math.max(0, forward.length - last));
  const [start, end] = [shown[0]?.position, shown.at(-1)?.position];
  return {
    type: `${type}Connection`,
    fields: {
      totalCount: items.length,
      nodes: () => shown.map(({ node }) => node),
      edges: () =>
        shown.map(({ node, position }) => ({
          type: `${type}Edge`,
          fields: { cursor: cursorAt(position), node },
        })),
      pageInfo: {
        type: "PageInfo",
        fields: {
          hasNextPage: end !== undefined && end < items.length - 1,
          hasPreviousPage: start !== undefined && start > 0,
          startCursor: start === undefined ? null : cursorAt(start),
          endCursor: end === undefined ? null : cursorAt(end),
        },
      },
    },
  };
}

function countOf(value: Json | undefined, name: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > MAX_ITEMS)
    throw new GraphqlProblem("EXCESSIVE_PAGINATION", `'${name}' must be from 0 to ${MAX_ITEMS}.`);
  return value;
}

function cursorAt(position: number): string {
  return Buffer.from(`cursor:${position}`).toString("base64");
}

function positionOf(cursor: Json): number {
  const text = typeof cursor === "string" ? Buffer.from(cursor, "base64").toString() : "";
  const position = /^cursor:(?<position>\d{1,9})$/.exec(text)?.groups?.["position"];
  if (position === undefined) throw new GraphqlProblem("INVALID_CURSOR_ARGUMENTS", "The cursor is not one of ours.");
  return Number(position);
}
