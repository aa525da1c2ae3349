/**
 * Collects what is wrong with one file, GitHub's reader's findings and our own alike, as diagnostics with place and key.
 * Some findings of the reader are only warnings on GitHub's service: what they are about is ignored there, and here.
 */
import { ExpressionError as LibraryError } from "@actions/expressions/errors";
import type { TemplateToken } from "@actions/workflow-parser/templates/tokens/index";
import type { TokenRange } from "@actions/workflow-parser/templates/tokens/token-range";
import { messageOf } from "../expression/parse-expression.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { Places, startOf } from "./places.ts";
import { textOf } from "./token-access.ts";

/** A file with more than this is broken as a whole; the rest would only repeat it. */
const REPORTED_FAULTS = 100;
const MESSAGE_LENGTH = 500;

/** Whether a finding is only a warning. `key` is what it is about: empty for the whole file. */
export type Leniency = (key: string, message: string) => boolean;

export class Faults {
  readonly places = new Places();
  readonly #file: string;
  readonly #isLenient: Leniency;
  readonly #errors: Diagnostic[] = [];
  readonly #warnings: Diagnostic[] = [];

  constructor(file: string, isLenient: Leniency) {
    this.#file = file;
    this.#isLenient = isLenient;
  }

  /** What stops the file from being read. */
  get errors(): readonly Diagnostic[] {
    return this.#errors;
  }

  get warnings(): readonly Diagnostic[] {
    return this.#warnings;
  }

  /** `range` is the place inside the token, where only a part of it is at fault. */
  error(token: TemplateToken | undefined, fault: unknown, range?: TokenRange): void {
    if (this.#errors.length >= REPORTED_FAULTS) return; // finding key and message takes time
    const message = messageFor(fault, token);
    const key = token === undefined ? undefined : this.places.keyOf(token);
    const kind = token !== undefined && this.#isLenient(key ?? "", message) ? "warning" : "error";
    // GitHub tells where a text begins. In a long script that is of little help, so there we tell the line.
    const isMultiLine = token?.range !== undefined && token.range.start.line !== token.range.end.line;
    this.#add(kind, message, key, isMultiLine ? (range ?? token.range) : token?.range);
  }

  warn(token: TemplateToken, message: string): void {
    this.#add("warning", message, this.places.keyOf(token), token.range);
  }

  #add(kind: "error" | "warning", message: string, key: string | undefined, range: TokenRange | undefined): void {
    const list = kind === "error" ? this.#errors : this.#warnings; // however many warnings, an error is never lost
    if (list.length >= REPORTED_FAULTS) return;
    const text = message.length > MESSAGE_LENGTH ? `${message.slice(0, MESSAGE_LENGTH)}[...]` : message;
    const at = startOf(range);
    // The reader and a converter may both see a thing.
    const isKnown = list.some((it) => it.message === text && it.at?.line === at?.line && it.at?.column === at?.column);
    if (!isKnown) list.push({ kind, file: this.#file, at, key, message: text });
  }
}

function messageFor(fault: unknown, token: TemplateToken | undefined): string {
  if (typeof fault === "string") return fault;
  return messageOf(fault, fault instanceof LibraryError && token !== undefined ? faultyExpression(fault, token) : "");
}

/** The reader does not say which of a text's expressions it means: it is the one that holds the faulty token. */
function faultyExpression(fault: LibraryError, token: TemplateToken): string {
  const expressions = (textOf(token) ?? "")
    .split("${{")
    .slice(1)
    .map((part) => part.split("}}", 1)[0]?.trim() ?? "");
  const { lexeme, range } = fault["tok"];
  const holdsIt = (expression: string): boolean =>
    (expression.split("\n")[range.start.line] ?? "").startsWith(lexeme, range.start.column);
  return expressions.find(holdsIt) ?? "";
}
