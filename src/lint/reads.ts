/**
 * What of the contexts an expression puts into its result. A comparison reads a title and gives only true or false, so nothing of
 * the title is in it; `format`, `join` and `toJSON` pass on what they are given; `a && b || c` gives b or c. Read from the tree,
 * so `github['event']`, any case and any nesting are the same. Where a name is only known later, it may be any.
 */
import {
  ContextAccess,
  type Expr,
  FunctionCall,
  Grouping,
  IndexAccess,
  Literal,
  Logical,
} from "@actions/expressions/ast";
import { TokenType } from "@actions/expressions/lexer";

export interface Read {
  /** In lower case, the context first. */
  readonly path: readonly PathPart[];
  /** As it was written: `github.event.commits.*.message`. */
  readonly text: string;
  /** All that lies below is in the result too: `toJSON(github.event)`. An object without it gives only the word `Object`. */
  readonly whole: boolean;
}

/** `*` stands for any name: a filter, or an index that is no literal. */
export type PathPart = string;

export const ANY: PathPart = "*";

export function readsOf(expr: Expr): readonly Read[] {
  if (expr instanceof ContextAccess) {
    const { lexeme } = expr.name;
    return [{ path: [lexeme.toLowerCase()], text: lexeme, whole: false }];
  }
  if (expr instanceof Grouping) return readsOf(expr.group);
  if (expr instanceof IndexAccess) {
    const part = partOf(expr.index);
    return readsOf(expr.expr).map((read) =>
      read.whole ? read : { ...read, path: [...read.path, part.toLowerCase()], text: `${read.text}.${part}` },
    );
  }
  if (expr instanceof Logical) {
    // What `&&` gives of all but the last is false, zero or empty.
    const isAnd = expr.operator.type === TokenType.AND;
    return (isAnd ? expr.args.slice(-1) : expr.args).flatMap(readsOf);
  }
  return expr instanceof FunctionCall ? readsOfCall(expr) : [];
}

/** Each once, and no more than an author writes: somebody else's file must not make lint multiply. */
export function distinctReads(reads: readonly Read[]): readonly Read[] {
  const known = new Map<string, Read>();
  for (const read of reads) {
    if (known.size >= MAX_READS) break;
    known.set(`${read.path.join(".")} ${read.whole}`, read);
  }
  return [...known.values()];
}

const MAX_READS = 50;

function partOf(index: Expr): PathPart {
  if (index instanceof Grouping) return partOf(index.group);
  return index instanceof Literal ? index.literal.coerceString() : ANY;
}

const GIVES_NO_TEXT: ReadonlySet<string> = new Set([
  "contains",
  "startswith",
  "endswith",
  "hashfiles",
  "success",
  "failure",
  "cancelled",
  "always",
]);

function readsOfCall({ functionName, args }: FunctionCall): readonly Read[] {
  const name = functionName.lexeme.toLowerCase();
  if (GIVES_NO_TEXT.has(name)) return [];
  // Predicate and value in turn, and the last is what is given otherwise.
  const given = name === "case" ? args.filter((_, index) => index % 2 === 1 || index === args.length - 1) : args;
  const reads = given.flatMap(readsOf);
  // What text holds that is read as JSON, any part of the result may hold.
  return name === "tojson" || name === "fromjson" ? reads.map((read) => ({ ...read, whole: true })) : reads;
}
