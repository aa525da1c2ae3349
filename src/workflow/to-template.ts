/** From the reader's tokens to templates: plain data, with places, that the plan and the engine evaluate. */
import {
  BasicExpressionToken,
  BooleanToken,
  MappingToken,
  NumberToken,
  SequenceToken,
  StringToken,
  type TemplateToken,
} from "@actions/workflow-parser/templates/tokens/index";
import { EXPRESSION_LENGTH } from "../expression/parse-expression.ts";
import type { ExpressionTemplate, LiteralTemplate, MappingTemplate, Template } from "../expression/template.ts";
import type { Position } from "../lib/diagnostic.ts";
import type { Faults } from "./faults.ts";
import { startOf } from "./places.ts";

export function toTemplate(token: TemplateToken, faults: Faults): Template {
  if (token instanceof MappingToken) return toMappingTemplate(token, faults);
  if (token instanceof SequenceToken) {
    return { kind: "sequence", items: [...token].map((item) => toTemplate(item, faults)), at: placeOf(token) };
  }
  return toScalarTemplate(token, faults);
}

export function toMappingTemplate(token: MappingToken, faults: Faults): MappingTemplate {
  const entries = [...token].map(({ key, value }) => ({
    key: toScalarTemplate(key, faults),
    value: toTemplate(value, faults),
  }));
  return { kind: "mapping", entries, at: placeOf(token) };
}

/** Tokens that the reader makes up have no place; those that a file gave do. */
export function placeOf(token: TemplateToken): Position {
  return startOf(token.range) ?? { line: 1, column: 1 };
}

function toScalarTemplate(token: TemplateToken, faults: Faults): LiteralTemplate | ExpressionTemplate {
  const at = placeOf(token);
  if (token instanceof BasicExpressionToken) {
    if (token.expression.length > EXPRESSION_LENGTH) {
      faults.error(token, `Exceeded max expression length ${EXPRESSION_LENGTH}`);
    }
    return { kind: "expression", expression: token.expression, source: sourceOf(token), at };
  }
  if (token.isExpression) return { kind: "expression", expression: "insert", source: "${{ insert }}", at };
  return { kind: "literal", value: valueOf(token), at };
}

/** A text with expressions in it keeps its source; of a lone one the reader keeps what is inside the braces. */
function sourceOf(token: BasicExpressionToken): string {
  const isText = token.originalExpressions !== undefined;
  return isText && token.source !== undefined ? token.source : `\${{ ${token.expression} }}`;
}

function valueOf(token: TemplateToken): LiteralTemplate["value"] {
  if (token instanceof StringToken) return token.value;
  if (token instanceof NumberToken || token instanceof BooleanToken) return token.value;
  return null;
}
