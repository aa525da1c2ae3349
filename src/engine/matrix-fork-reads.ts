/**
 * What a part of a workflow reads of the two contexts in which the cells of a matrix differ, `matrix` and `strategy`, found in the
 * syntax trees of its expressions. A read whose name is known only later (`matrix[x]`, `matrix.*`) is a read of all that it may lead to.
 * Pure.
 */
import { ContextAccess, type Expr, Grouping, IndexAccess, Literal } from "@actions/expressions/ast";
import { StringData } from "@actions/expressions/data/string";
import { isMapping, member } from "../context/mapping.ts";
import { ExpressionError } from "../expression/expression-error.ts";
import { keysOf } from "../expression/ordered-object.ts";
import { childrenOf, parseExpression } from "../expression/parse-expression.ts";
import type { Value } from "../expression/template.ts";

/** Of one cell. */
export interface CellContexts {
  readonly matrix: Value;
  readonly strategy: Value;
}

/** Names, the context first and in lower case: `matrix.node` is two. */
type Path = readonly [context: keyof CellContexts, ...names: string[]];

/** Equal for two cells only where every expression in the part reads the same of both. `part`: any value that holds templates. */
export function cellText(part: unknown, cell: CellContexts): string {
  return pathsIn(part)
    .map((path) => textOf(valueAt(path, cell)))
    .join("\n");
}

/** Whether anything in the part reads the cell at all. */
export function readsCell(part: unknown): boolean {
  return pathsIn(part).length > 0;
}

function pathsIn(part: unknown): readonly Path[] {
  return [...new Set(expressionsIn(part))].flatMap((expression) => {
    try {
      return pathsOf(parseExpression(expression));
    } catch (error) {
      if (error instanceof ExpressionError) return WHOLE;
      throw error;
    }
  });
}

const WHOLE: readonly Path[] = [["matrix"], ["strategy"]];

/** Wherever they stand, so that no member of a step can be forgotten. */
function* expressionsIn(part: unknown): Generator<string> {
  if (typeof part !== "object" || part === null) return;
  if ("kind" in part && part.kind === "expression" && "expression" in part && typeof part.expression === "string") {
    yield part.expression;
    return;
  }
  for (const one of Object.values(part)) yield* expressionsIn(one);
}

function pathsOf(expr: Expr): readonly Path[] {
  const names = namesOf(expr);
  if (names === undefined) return childrenOf(expr).flatMap(pathsOf);
  const [context, ...rest] = names;
  const root = context?.toLowerCase();
  return root === "matrix" || root === "strategy" ? [[root, ...rest]] : [];
}

/** Of a chain of names that are all written down; undefined for everything else. */
function namesOf(expr: Expr): readonly string[] | undefined {
  if (expr instanceof ContextAccess) return [expr.name.lexeme];
  if (expr instanceof Grouping) return namesOf(expr.group);
  if (!(expr instanceof IndexAccess && expr.index instanceof Literal)) return undefined;
  const { literal } = expr.index;
  const names = namesOf(expr.expr);
  return names !== undefined && literal instanceof StringData ? [...names, literal.value] : undefined;
}

/** An array is taken whole, whatever names it. */
function valueAt([context, ...names]: Path, cell: CellContexts): Value {
  let value = cell[context];
  for (const name of names) {
    if (Array.isArray(value)) return value;
    value = member(value, name) ?? null;
  }
  return value;
}

/** Different for different values: unlike JSON for all numbers, and with the order of keys, which `toJSON` shows. */
function textOf(value: Value): string {
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (isMapping(value)) {
    return `{${keysOf(value)
      .map((key) => `${JSON.stringify(key)}:${textOf(value[key] ?? null)}`)
      .join(",")}}`;
  }
  if (typeof value === "object" && value !== null) return `[${value.map((item: Value) => textOf(item)).join(",")}]`;
  return JSON.stringify(value);
}
