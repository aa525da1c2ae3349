/**
 * Text to tree, by GitHub's own lexer and parser (`@actions/expressions`), with their faults repaired: the lexer undoes
 * only the first `''` of a string, knows no white space beyond ASCII, and gives positions in lines; the parser lets
 * chains of `==` grow without depth. Limits are GitHub's: 21,000 characters, depth 50 (ACTIONS-CONTRACT §1.5).
 */
import {
  Binary,
  type Expr,
  FunctionCall,
  Grouping,
  IndexAccess,
  Literal,
  Logical,
  Unary,
} from "@actions/expressions/ast";
import { ErrorType, ExpressionError as LibraryError, MAX_PARSER_DEPTH } from "@actions/expressions/errors";
import { Null } from "@actions/expressions/data/null";
import type { FunctionInfo } from "@actions/expressions/funcs/info";
import { Lexer, type Token, TokenType } from "@actions/expressions/lexer";
import { Parser } from "@actions/expressions/parser";
import { ExpressionError } from "./expression-error.ts";

export const EXPRESSION_LENGTH = 21_000;
const TOO_LONG = `Exceeded max expression length ${EXPRESSION_LENGTH}`;
const CACHED_EXPRESSIONS = 2_000;

/** What may be named in one place of a workflow; undefined lets every name pass, for evaluation to judge. */
export interface AllowedNames {
  readonly contexts: readonly string[];
  readonly functions: readonly FunctionInfo[];
}

const parsedByText = new Map<string, Expr>();

/** The tree of an expression that was checked where it was read. Throws ExpressionError. The tree is shared: never change it. */
export function parseExpression(text: string): Expr {
  const known = parsedByText.get(text);
  if (known !== undefined) return known;
  const expr = parse(text, undefined);
  if (parsedByText.size >= CACHED_EXPRESSIONS) parsedByText.clear();
  parsedByText.set(text, expr);
  return expr;
}

/** As `parseExpression`, and every name must be allowed. Throws ExpressionError with GitHub's message and the position. */
export function checkExpression(text: string, allowed: AllowedNames): Expr {
  return parse(text, allowed);
}

/** White space that JavaScript's and .NET's `trim` know but the lexer does not, turned into spaces; positions stay. */
export function plainSpaces(text: string): string {
  // A string keeps what it holds, white space and all.
  return text.replace(/'[^']*'|[^\S \t\r\n]/g, (match) => (match.startsWith("'") ? match : " "));
}

/** GitHub's message with the place in the expression, which the library leaves out. */
export function messageOf(error: unknown, text: string): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message === "ErrorExceededMaxLength") return TOO_LONG;
  if (!(error instanceof LibraryError)) return error.message;
  const { typ, tok } = partsOf(error);
  if (typ === ErrorType.ErrorExceededMaxDepth) return `Exceeded max expression depth ${MAX_PARSER_DEPTH}`;
  const endsEarly = typ === ErrorType.ErrorUnexpectedSymbol && tok.type === TokenType.EOF;
  const what = endsEarly ? "Unexpected end of expression" : error.message.slice(0, error.message.indexOf(": '"));
  const { token, position } = endsEarly ? lastToken(text) : { token: tok, position: positionOf(tok, text) };
  return `${what}: '${token.lexeme}'. Located at position ${position} within expression: ${text}`;
}

/** The library declares them private, and throws them at everyone. */
function partsOf(error: LibraryError): { readonly typ: ErrorType; readonly tok: Token } {
  return { typ: error["typ"], tok: error["tok"] };
}

/** The trees directly below a tree, in the order of the text. */
export function childrenOf(expr: Expr): readonly Expr[] {
  if (expr instanceof Binary) return [expr.left, expr.right];
  if (expr instanceof Unary) return [expr.expr];
  if (expr instanceof Logical || expr instanceof FunctionCall) return expr.args;
  if (expr instanceof Grouping) return [expr.group];
  return expr instanceof IndexAccess ? [expr.expr, expr.index] : [];
}

function parse(text: string, allowed: AllowedNames | undefined): Expr {
  // Before anything looks through the text, however long it is.
  if (text.length > EXPRESSION_LENGTH) throw new ExpressionError(TOO_LONG);
  try {
    const tokens = lex(text);
    const { contexts, functions } = allowed ?? everyName(tokens);
    const expr = new Parser(tokens, [...contexts], [...functions]).parse() as Expr | undefined;
    if (expr === undefined) return new Literal(new Null(), { type: TokenType.NULL, lexeme: "", range: EMPTY_RANGE });
    checkDepth(expr);
    return expr;
  } catch (error) {
    throw error instanceof ExpressionError ? error : new ExpressionError(messageOf(error, text), { cause: error });
  }
}

const EMPTY_RANGE = { start: { line: 0, column: 0 }, end: { line: 0, column: 0 } };

function lex(text: string): Token[] {
  return new Lexer(plainSpaces(text))
    .lex()
    .tokens.map((token) =>
      token.type === TokenType.STRING ? { ...token, value: token.lexeme.slice(1, -1).replaceAll("''", "'") } : token,
    );
}

function everyName(tokens: readonly Token[]): AllowedNames {
  const names = tokens.filter((token) => token.type === TokenType.IDENTIFIER).map((token) => token.lexeme);
  return { contexts: names, functions: names.map((name) => ({ name, minArgs: 0, maxArgs: Number.MAX_SAFE_INTEGER })) };
}

/** The parser counts brackets and calls, but not `a == b == c …`, whose tree leans as deep as it is long. */
function checkDepth(root: Expr): void {
  const open: (readonly [Expr, number])[] = [[root, 1]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [expr, depth] = next;
    if (depth > MAX_PARSER_DEPTH) throw new ExpressionError(`Exceeded max expression depth ${MAX_PARSER_DEPTH}`);
    const below = expr instanceof Grouping ? depth : depth + 1;
    for (const child of childrenOf(expr)) open.push([child, below]);
  }
}

/** Counted from 1. The lexer loses count of the line when a string holds a line end, so the tokens are counted again. */
function positionOf(faulty: Token, text: string): number {
  const { line, column } = faulty.range.start;
  const found = placeTokens(text).find(
    ({ token }) =>
      token.range.start.line === line && token.range.start.column === column && token.lexeme === faulty.lexeme,
  );
  return found?.position ?? 1;
}

function lastToken(text: string): PlacedToken {
  return placeTokens(text).at(-1) ?? { token: { type: TokenType.EOF, lexeme: "", range: EMPTY_RANGE }, position: 1 };
}

interface PlacedToken {
  readonly token: Token;
  readonly position: number;
}

function placeTokens(text: string): readonly PlacedToken[] {
  let offset = 0;
  return lex(text)
    .filter((token) => token.type !== TokenType.EOF)
    .map((token) => {
      const start = offset + (/^\s*/.exec(text.slice(offset))?.[0].length ?? 0);
      offset = start + token.lexeme.length;
      return { token, position: start + 1 };
    });
}
