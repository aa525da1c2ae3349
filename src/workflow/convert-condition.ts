/**
 * `if:` as an expression that is always there. Without one it is `success()`; one that calls no status function, not
 * even inside another call, means `success() && (…)`. Source: ACTIONS-CONTRACT §3.3.
 */
import { type Expr, FunctionCall } from "@actions/expressions/ast";
import { splitAllowedContext } from "@actions/workflow-parser/templates/allowed-context";
import { BasicExpressionToken, type TemplateToken } from "@actions/workflow-parser/templates/tokens/index";
import { ExpressionError } from "../expression/expression-error.ts";
import { checkExpression, childrenOf } from "../expression/parse-expression.ts";
import type { ExpressionTemplate } from "../expression/template.ts";
import type { Position } from "../lib/diagnostic.ts";
import type { Faults } from "./faults.ts";
import { textOf } from "./token-access.ts";
import { placeOf } from "./to-template.ts";

/** `token` is what stands after `if:`; `at` is the place of its owner, for when there is none. */
export function convertCondition(token: TemplateToken | undefined, at: Position, faults: Faults): ExpressionTemplate {
  if (token === undefined) return { kind: "expression", expression: "success()", source: "", at };
  const isExpression = token instanceof BasicExpressionToken;
  const text = (isExpression ? token.expression : (textOf(token) ?? "")).trim();
  if (isExpression && token.originalExpressions !== undefined) {
    faults.warn(
      token,
      "This condition is a text around an expression, and a text is always true: put all of it inside ${{ }}",
    );
  }
  const source = isExpression ? (token.source ?? `\${{ ${text} }}`) : text;
  return { kind: "expression", expression: withStatusFunction(text, token, faults), source, at: placeOf(token) };
}

/** `pre-if` and `post-if` of an action: `always()` when not given, and taken as they are when they are. */
export function convertHookCondition(
  token: TemplateToken | undefined,
  at: Position,
  faults: Faults,
): ExpressionTemplate {
  const text = token instanceof BasicExpressionToken ? token.expression : (textOf(token)?.trim() ?? "");
  if (token === undefined || text === "") return { kind: "expression", expression: "always()", source: "", at };
  checkCondition(text, token, faults);
  return { kind: "expression", expression: text, source: text, at: placeOf(token) };
}

const STATUS_FUNCTIONS: ReadonlySet<string> = new Set(["success", "failure", "cancelled", "always"]);

function withStatusFunction(text: string, token: TemplateToken, faults: Faults): string {
  if (text === "") return "success()";
  const expr = checkCondition(text, token, faults);
  return expr === undefined || callsStatusFunction(expr) ? text : `success() && (${text})`;
}

/** Only the names that the schema allows where the token stands. Undefined after a fault. */
function checkCondition(text: string, token: TemplateToken, faults: Faults): Expr | undefined {
  try {
    const { namedContexts, functions } = splitAllowedContext(token.definitionInfo?.allowedContext ?? []);
    return checkExpression(text, { contexts: namedContexts, functions });
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    faults.error(token, error);
    return undefined;
  }
}

function callsStatusFunction(expr: Expr): boolean {
  if (expr instanceof FunctionCall && STATUS_FUNCTIONS.has(expr.functionName.lexeme.toLowerCase())) return true;
  return childrenOf(expr).some((child) => callsStatusFunction(child));
}
