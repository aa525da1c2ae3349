/** The file's text, for what the model does not hold: where in a script an expression stands, where a key is, and comments. */
import type { ExpressionTemplate, Template } from "../expression/template.ts";
import type { Position } from "../lib/diagnostic.ts";
import { FunctionCall, type Expr } from "@actions/expressions/ast";
import { parseExpression } from "../expression/parse-expression.ts";

export interface PlacedExpression {
  readonly expr: Expr;
  readonly at: Position;
}

export class SourceText {
  readonly #lines: readonly string[];
  /** Where `${{` stands, in the order of the text. */
  readonly #openings: readonly Position[];

  constructor(text: string) {
    this.#lines = text.split(/\r\n|\r|\n/);
    this.#openings = this.#lines.flatMap((line, index) =>
      [...line.matchAll(/\$\{\{/g)].map((match) => ({ line: index + 1, column: match.index + 1 })),
    );
  }

  /** The expressions within a text, each where it stands. */
  expressionsIn(template: Template): readonly PlacedExpression[] {
    if (template.kind !== "expression") return [];
    const exprs = embedded(template);
    const first = this.#firstOpening(template.at);
    return exprs.map((expr, index) => ({ expr, at: this.#openings[first + index] ?? template.at }));
  }

  /** Of `name:` as a key of a block mapping, in the lines from `from` up to where the text is indented no more than there. */
  findKey(name: string, from: Position, isRoot: boolean): Position {
    const own = isRoot ? -1 : indentOf(this.#lines[from.line - 1] ?? "");
    for (let line = isRoot ? 1 : from.line + 1; line <= this.#lines.length; line++) {
      const text = this.#lines[line - 1] ?? "";
      if (text.trim() === "" || text.trimStart().startsWith("#")) continue;
      const indent = indentOf(text);
      if (indent <= own) break;
      if (text.startsWith(`${name}:`, indent) && (!isRoot || indent === 0)) return { line, column: indent + 1 };
    }
    return from;
  }

  /** Rules that a comment on this line, or one alone on the line above, silences. */
  ignoredAt(line: number): ReadonlySet<string> {
    const above = this.#lines[line - 2] ?? "";
    return new Set([
      ...ignoredIn(this.#lines[line - 1] ?? ""),
      ...(above.trimStart().startsWith("#") ? ignoredIn(above) : []),
    ]);
  }

  /** By halving: a long file has many. */
  #firstOpening(from: Position): number {
    let [low, high] = [0, this.#openings.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const at = this.#openings[middle];
      if (at !== undefined && (at.line < from.line || (at.line === from.line && at.column < from.column)))
        low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Text with expressions in it has become `format('…{0}…', …)`: its arguments are they, in their order. */
function embedded({ expression, source }: ExpressionTemplate): readonly Expr[] {
  const expr = parseExpression(expression);
  const isAlone = source === `\${{ ${expression} }}`;
  return isAlone || !(expr instanceof FunctionCall) ? [expr] : expr.args.slice(1);
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

/** `# hearth: ignore[rule, other-rule]`, and zizmor's. */
function ignoredIn(line: string): readonly string[] {
  return [...line.matchAll(/#\s*(?:hearth|zizmor):\s*ignore\[([\w\s,-]{0,200})\]/g)].flatMap(([, rules = ""]) =>
    rules.split(",").map((rule) => rule.trim()),
  );
}
