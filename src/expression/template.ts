/**
 * The shape of YAML that may hold expressions, as plain data: a plan holding these can be printed, stored and resumed.
 * Parsing YAML into templates is `workflow/`'s work, evaluating them `evaluate.ts`'s.
 */
import type { Position } from "../lib/diagnostic.ts";

export type Template = LiteralTemplate | ExpressionTemplate | SequenceTemplate | MappingTemplate;

export interface LiteralTemplate {
  readonly kind: "literal";
  readonly value: string | number | boolean | null;
  readonly at: Position;
}

/** `expression` is what stands inside `${{ }}`; text around it has become `format('…{0}…', …)`, as GitHub's reader does. */
export interface ExpressionTemplate {
  readonly kind: "expression";
  readonly expression: string;
  /** The text as the author wrote it, for messages. */
  readonly source: string;
  readonly at: Position;
}

export interface SequenceTemplate {
  readonly kind: "sequence";
  readonly items: readonly Template[];
  readonly at: Position;
}

/** Keys keep their order and spelling. A key is an expression only for GitHub's `${{ insert }}`. */
export interface MappingTemplate {
  readonly kind: "mapping";
  readonly entries: readonly { readonly key: LiteralTemplate | ExpressionTemplate; readonly value: Template }[];
  readonly at: Position;
}

/** What an expression evaluates to, as JSON. Objects have a null prototype, so `__proto__` and `constructor` are keys like others. */
export type Value = null | boolean | number | string | readonly Value[] | { readonly [key: string]: Value };
