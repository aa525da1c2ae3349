/**
 * Evaluates one expression's tree over the contexts and functions of a scope, as GitHub's runner does: `&&`, `||` and
 * `case` are lazy and give values, not booleans; what is missing is null; keys are found whatever their case, except
 * those of `env`, which are exact as on Linux. Our own visitor over the library's tree: the library's evaluator throws
 * on a missing context, evaluates `case` eagerly, keeps data in prototypes and knows no memory limit.
 */
import {
  Binary,
  ContextAccess,
  type Expr,
  FunctionCall,
  Grouping,
  IndexAccess,
  Literal,
  Logical,
  Star,
  Unary,
} from "@actions/expressions/ast";
import { type Token, TokenType } from "@actions/expressions/lexer";
import { areEqual, isArray, isCollection, isGreater, isTruthy, toNumber, toText } from "./coerce.ts";
import { ExpressionError } from "./expression-error.ts";
import { evaluateCase, generalFunctions } from "./functions.ts";
import { Memory } from "./memory.ts";
import { findKey, keysOf, type ObjectValue } from "./ordered-object.ts";
import { parseExpression } from "./parse-expression.ts";
import type { Value } from "./template.ts";

export interface Scope {
  /** A context that is not there reads as null. */
  readonly contexts: { readonly [lowerCaseName: string]: Value };
  readonly functions: { readonly [lowerCaseName: string]: (args: readonly Value[]) => Value };
}

/** GitHub's contexts (ACTIONS-CONTRACT §1.4). Another name is a fault, unless the scope holds it. */
const CONTEXT_NAMES: ReadonlySet<string> = new Set(
  "github env vars job jobs steps runner secrets strategy matrix needs inputs".split(" "),
);

/** `expression` is what stands inside `${{ }}`. Throws ExpressionError, and what the scope's functions throw. */
export function evaluateExpression(expression: string, scope: Scope): Value {
  return new Evaluation(scope).evaluate(parseExpression(expression));
}

class Evaluation {
  readonly #scope: Scope;
  readonly #memory = new Memory();
  /** Arrays made by `*`: an index after one applies to each of its items. */
  readonly #filtered = new WeakSet<readonly Value[]>();

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  evaluate(expr: Expr): Value {
    const heldBytes = this.#memory.heldBytes;
    const value = this.#visit(expr);
    if (!isCollection(value)) {
      // What was needed to make it is let go; a collection may still hold on to it.
      this.#memory.releaseTo(heldBytes);
      this.#memory.hold(value);
    }
    return value;
  }

  #visit(expr: Expr): Value {
    if (expr instanceof Literal) return literalOf(expr.token);
    if (expr instanceof ContextAccess) return this.#context(expr.name.lexeme);
    if (expr instanceof IndexAccess) return this.#index(expr);
    if (expr instanceof FunctionCall) return this.#call(expr);
    if (expr instanceof Logical) return this.#logical(expr);
    if (expr instanceof Binary) return this.#compare(expr);
    if (expr instanceof Unary) return !isTruthy(this.evaluate(expr.expr));
    if (expr instanceof Grouping) return this.evaluate(expr.group);
    throw new Error(`Unreachable: ${expr.constructor.name}`);
  }

  #context(name: string): Value {
    const lowerCaseName = name.toLowerCase();
    if (Object.hasOwn(this.#scope.contexts, lowerCaseName)) return this.#scope.contexts[lowerCaseName] ?? null;
    if (CONTEXT_NAMES.has(lowerCaseName)) return null;
    throw new ExpressionError(`Unrecognized named-value: '${name}'`);
  }

  #compare(expr: Binary): boolean {
    const left = this.evaluate(expr.left);
    const right = this.evaluate(expr.right);
    for (const value of [left, right]) if (!isCollection(value)) this.#memory.lookThrough(value);
    return compare(left, expr.operator.type, right);
  }

  #logical(expr: Logical): Value {
    const stopsAt = expr.operator.type === TokenType.OR;
    let value: Value = null;
    for (const arg of expr.args) {
      value = this.evaluate(arg);
      if (isTruthy(value) === stopsAt) return value;
    }
    return value;
  }

  #call({ functionName, args }: FunctionCall): Value {
    const name = functionName.lexeme.toLowerCase();
    if (name === "case") return evaluateCase(args.length, (index) => this.#argument(args, index));
    const general = generalFunctions.get(name);
    if (general !== undefined) return general(this.#evaluateAll(args), this.#memory);
    const given = Object.hasOwn(this.#scope.functions, name) ? this.#scope.functions[name] : undefined;
    if (given === undefined) throw new ExpressionError(`Unrecognized function: '${functionName.lexeme}'`);
    return given(this.#evaluateAll(args));
  }

  #evaluateAll(args: readonly Expr[]): readonly Value[] {
    return args.map((arg) => this.evaluate(arg));
  }

  #argument(args: readonly Expr[], index: number): Value {
    const arg = args[index];
    return arg === undefined ? null : this.evaluate(arg);
  }

  #index(expr: IndexAccess): Value {
    const base = this.evaluate(expr.expr);
    if (expr.index instanceof Star) return this.#filter(this.#spread(base));
    const index = this.evaluate(expr.index);
    const find = (object: ObjectValue, name: string): string | undefined => this.#find(object, name);
    if (isArray(base) && this.#filtered.has(base)) {
      this.#memory.lookThrough(base);
      const found = base.map((item) => memberOf(item, index, find)).filter((value) => value !== undefined);
      return this.#filter(found);
    }
    return memberOf(base, index, isEnvContext(expr.expr) ? exactKey : find) ?? null;
  }

  /** A key that is spelled otherwise, or is not there, is looked for among all. */
  #find(object: ObjectValue, name: string): string | undefined {
    if (Object.hasOwn(object, name)) return name;
    this.#memory.lookThrough(object);
    return findKey(object, name);
  }

  #spread(base: Value): readonly Value[] {
    if (isArray(base) && this.#filtered.has(base)) return base.flatMap((item) => valuesOf(item));
    return valuesOf(base);
  }

  #filter(items: readonly Value[]): readonly Value[] {
    const filtered = [...items];
    this.#memory.lookThrough(filtered);
    this.#filtered.add(filtered);
    this.#memory.hold(filtered);
    return filtered;
  }
}

function literalOf({ type, value, lexeme }: Token): Value {
  if (type === TokenType.TRUE) return true;
  if (type === TokenType.FALSE) return false;
  if (type === TokenType.NULL) return null;
  return value ?? lexeme; // without a value it is the name after a dot
}

function compare(left: Value, operator: TokenType, right: Value): boolean {
  switch (operator) {
    case TokenType.EQUAL_EQUAL:
      return areEqual(left, right);
    case TokenType.BANG_EQUAL:
      return !areEqual(left, right);
    case TokenType.GREATER:
      return isGreater(left, right);
    case TokenType.GREATER_EQUAL:
      return areEqual(left, right) || isGreater(left, right);
    case TokenType.LESS:
      return isGreater(right, left);
    case TokenType.LESS_EQUAL:
      return areEqual(left, right) || isGreater(right, left);
    default:
      throw new Error(`Unreachable: operator ${operator}`);
  }
}

/** Undefined when there is none: a null that is there counts among the items of a filtered array. */
function memberOf(base: Value, index: Value, find: typeof findKey): Value | undefined {
  if (isArray(base)) {
    const position = Math.floor(toNumber(index));
    return position >= 0 ? base[position] : undefined;
  }
  if (!isCollection(base) || isCollection(index)) return undefined;
  const key = find(base, toText(index));
  return key === undefined ? undefined : base[key];
}

function exactKey(object: ObjectValue, name: string): string | undefined {
  return Object.hasOwn(object, name) ? name : undefined;
}

function valuesOf(value: Value): readonly Value[] {
  if (isArray(value)) return value;
  return isCollection(value) ? keysOf(value).map((key) => value[key] ?? null) : [];
}

function isEnvContext(expr: Expr): boolean {
  if (expr instanceof Grouping) return isEnvContext(expr.group);
  return expr instanceof ContextAccess && expr.name.lexeme.toLowerCase() === "env";
}
