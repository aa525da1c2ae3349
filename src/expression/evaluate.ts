/**
 * The way from a template, which is YAML that may hold expressions, to a value. `hashFiles` is asynchronous, because the
 * files are in the machine: `evaluateWithFiles` evaluates, asks for what it met, and evaluates again, so that a call
 * that `&&` or `||` never reaches is never asked for. Evaluating has no effects, so doing it twice is safe.
 */
import { ContextAccess, type Expr } from "@actions/expressions/ast";
import { unreachable } from "../lib/unreachable.ts";
import { isArray, isCollection, isTruthy, toText } from "./coerce.ts";
import { evaluateExpression, type Scope } from "./evaluate-expression.ts";
import { ExpressionError } from "./expression-error.ts";
import { keysOf, objectFromEntries } from "./ordered-object.ts";
import { childrenOf, parseExpression } from "./parse-expression.ts";
import type { MappingTemplate, Template, Value } from "./template.ts";

export { evaluateExpression, ExpressionError, isTruthy, type Scope, toText };

/** Mappings become objects with a null prototype. Throws ExpressionError. */
export function evaluate(template: Template, scope: Scope): Value {
  switch (template.kind) {
    case "literal":
      return template.value;
    case "expression":
      return evaluateExpression(template.expression, scope);
    case "sequence":
      return template.items.map((item) => evaluate(item, scope));
    case "mapping":
      return objectFromEntries(evaluateEntries(template, scope));
    default:
      return unreachable(template);
  }
}

/** As `evaluate`, where `hashFiles(...)` may be called; `hashFiles` is asked once for each list of patterns. */
export async function evaluateWithFiles(
  template: Template,
  scope: Scope,
  hashFiles: (patterns: readonly string[]) => Promise<string>,
): Promise<Value> {
  const known = new Map<string, string>();
  const functions = {
    ...scope.functions,
    hashfiles: (args: readonly Value[]): Value => {
      const patterns = args.map((arg) => toText(arg));
      const hash = known.get(JSON.stringify(patterns));
      if (hash === undefined) throw new FilesNeeded(patterns);
      return hash;
    },
  };
  for (;;) {
    try {
      return evaluate(template, { contexts: scope.contexts, functions });
    } catch (error) {
      if (!(error instanceof FilesNeeded)) throw error;
      known.set(JSON.stringify(error.patterns), await hashFiles(error.patterns));
    }
  }
}

/** Lower-case names of the contexts that a template mentions, whether or not evaluating would reach them. */
export function contextsReadBy(template: Template): ReadonlySet<string> {
  const names = new Set<string>();
  for (const expression of expressionsIn(template)) collectContexts(parseExpression(expression), names);
  return names;
}

/** Not a fault but a question: it ends this evaluation, and the next one knows the answer. */
class FilesNeeded extends Error {
  readonly patterns: readonly string[];

  constructor(patterns: readonly string[]) {
    super("hashFiles has not been asked yet");
    this.patterns = patterns;
  }
}

/** `${{ insert }}: value` puts the entries of an object where it stands. A key that comes twice is an error, as on GitHub. */
function evaluateEntries({ entries }: MappingTemplate, scope: Scope): [string, Value][] {
  const seen = new Set<string>();
  const evaluated = entries.flatMap(({ key, value }): [string, Value][] => {
    if (key.kind === "expression" && key.expression === "insert") return entriesOf(evaluate(value, scope));
    return [[toText(evaluate(key, scope)), evaluate(value, scope)]];
  });
  for (const [key] of evaluated) {
    if (seen.has(key)) throw new ExpressionError(`'${key}' is already defined`);
    seen.add(key);
  }
  return evaluated;
}

function entriesOf(value: Value): [string, Value][] {
  if (value === null) return [];
  if (!isCollection(value) || isArray(value)) throw new ExpressionError("A mapping was expected for '${{ insert }}'");
  return keysOf(value).map((key) => [key, value[key] ?? null]);
}

function* expressionsIn(template: Template): Generator<string> {
  if (template.kind === "expression") yield template.expression;
  if (template.kind === "sequence") for (const item of template.items) yield* expressionsIn(item);
  if (template.kind !== "mapping") return;
  for (const { key, value } of template.entries) {
    if (key.kind === "expression" && key.expression !== "insert") yield key.expression;
    yield* expressionsIn(value);
  }
}

function collectContexts(expr: Expr, names: Set<string>): void {
  if (expr instanceof ContextAccess) names.add(expr.name.lexeme.toLowerCase());
  for (const child of childrenOf(expr)) collectContexts(child, names);
}
