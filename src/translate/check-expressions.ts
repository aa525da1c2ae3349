/**
 * What the expressions of a translation may read: the inputs it declares, its own steps, `env`, `runner`, and single members of
 * `github` other than the token. Read from the tree, so spelling and nesting change nothing. Pure.
 */
import { ContextAccess, type Expr, Grouping, IndexAccess, Literal } from "@actions/expressions/ast";
import type { ActionManifest } from "../action/manifest.ts";
import { ExpressionError } from "../expression/evaluate.ts";
import { childrenOf, parseExpression } from "../expression/parse-expression.ts";
import type { Template } from "../expression/template.ts";
import { unreachable } from "../lib/unreachable.ts";
import type { TranslationRefusal } from "./refusal.ts";

export interface ReadableNames {
  readonly inputs: ReadonlySet<string>;
  readonly steps: ReadonlySet<string>;
}

export function readableNames({ inputs, runs }: ActionManifest): ReadableNames {
  const steps = runs.kind === "composite" ? runs.steps : [];
  return {
    inputs: new Set(inputs.map(({ name }) => name.toLowerCase())),
    steps: new Set(steps.flatMap(({ id, idGiven }) => (idGiven ? [id.toLowerCase()] : []))),
  };
}

/** `where` begins the reason. */
export function faultsOfTemplate(
  where: string,
  template: Template | undefined,
  names: ReadableNames,
): readonly TranslationRefusal[] {
  return expressionsOf(template).flatMap((text) => {
    try {
      return readsOf(parseExpression(text)).flatMap((path) => {
        const refusal = faultOfRead(path, names);
        return refusal === undefined ? [] : [{ ...refusal, reason: `${where}: ${refusal.reason}` }];
      });
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      return [{ check: "expression" as const, reason: `${where}: ${error.message}` }];
    }
  });
}

/** Every expression within, keys too. */
export function expressionsOf(template: Template | undefined): readonly string[] {
  switch (template?.kind) {
    case "expression":
      return [template.expression];
    case "sequence":
      return template.items.flatMap(expressionsOf);
    case "mapping":
      return template.entries.flatMap(({ key, value }) => [...expressionsOf(key), ...expressionsOf(value)]);
    case "literal":
    case undefined:
      return [];
    default:
      return unreachable(template);
  }
}

/** Each context with the names that lead from it, in lower case; `*` for one that only the run knows. */
function readsOf(root: Expr): readonly (readonly string[])[] {
  const reads: (readonly string[])[] = [];
  const open: Expr[] = [root];
  for (let expr = open.pop(); expr !== undefined; expr = open.pop()) {
    const path = pathOf(expr);
    if (path !== undefined) reads.push(path);
    for (const child of path === undefined ? childrenOf(expr) : indicesOf(expr)) open.push(child);
  }
  return reads;
}

function pathOf(expr: Expr): readonly string[] | undefined {
  if (expr instanceof Grouping) return pathOf(expr.group);
  if (expr instanceof ContextAccess) return [expr.name.lexeme.toLowerCase()];
  if (!(expr instanceof IndexAccess)) return undefined;
  const parent = pathOf(expr.expr);
  return parent && [...parent, expr.index instanceof Literal ? expr.index.literal.coerceString().toLowerCase() : "*"];
}

/** An index is an expression too, and may read anything. */
function indicesOf(expr: Expr): readonly Expr[] {
  if (expr instanceof Grouping) return indicesOf(expr.group);
  if (!(expr instanceof IndexAccess)) return [];
  return [...(expr.index instanceof Literal ? [] : [expr.index]), ...indicesOf(expr.expr)];
}

type FaultOfRead = { readonly check: "secrets" | "expression"; readonly reason: string } | undefined;

function wrong(reason: string): FaultOfRead {
  return { check: "expression", reason };
}

function faultOfRead([context = "", name, member]: readonly string[], names: ReadableNames): FaultOfRead {
  switch (context) {
    case "secrets":
      return { check: "secrets", reason: "it reads the secrets context" };
    case "github":
      if (name === undefined || name === "*")
        return { check: "secrets", reason: "it reads all of github, the token too" };
      return name === "token" ? { check: "secrets", reason: "it reads github.token" } : undefined;
    case "inputs":
      if (name !== undefined && names.inputs.has(name)) return undefined;
      return wrong(`it reads inputs.${name ?? "*"}, which it does not declare`);
    case "steps":
      if (name === undefined || !names.steps.has(name)) return wrong(`there is no step with id '${name ?? "*"}'`);
      if (member === "outputs" || member === "outcome" || member === "conclusion") return undefined;
      return wrong(`steps.${name} has outputs, outcome and conclusion`);
    case "env":
    case "runner":
      return undefined;
    default:
      return wrong(`it reads ${context}; allowed are inputs, steps, env, runner and github`);
  }
}
