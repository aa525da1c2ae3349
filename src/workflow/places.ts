/**
 * Where tokens stand: the dotted key (`jobs.build.steps[2].uses`) of every token that the YAML gave. GitHub's reader
 * replaces some tokens by new ones at the same place, so a token that is not known is looked up by its position.
 */
import type { TemplateToken } from "@actions/workflow-parser/templates/tokens/index";
import type { TokenRange } from "@actions/workflow-parser/templates/tokens/token-range";
import type { Position } from "../lib/diagnostic.ts";

export class Places {
  readonly #keyByToken = new WeakMap<TemplateToken, string>();
  readonly #starts: (Position & { readonly key: string })[] = [];

  remember(token: TemplateToken, key: string): void {
    this.#keyByToken.set(token, key);
    const start = startOf(token.range);
    if (start !== undefined) this.#starts.push({ ...start, key });
  }

  /** Undefined for the whole file. */
  keyOf(token: TemplateToken): string | undefined {
    const key = this.#keyByToken.get(token) ?? this.#keyBefore(startOf(token.range));
    return key === "" ? undefined : key;
  }

  /** Of the token that starts last before a place, or there: looked for only when there is a fault to tell. */
  #keyBefore(place: Position | undefined): string | undefined {
    if (place === undefined) return undefined;
    let best: (Position & { readonly key: string }) | undefined;
    for (const start of this.#starts) {
      if (!isAfter(start, place) && (best === undefined || !isAfter(best, start))) best = start;
    }
    return best?.key;
  }
}

export function startOf(range: TokenRange | undefined): Position | undefined {
  return range === undefined ? undefined : { line: range.start.line, column: range.start.column };
}

function isAfter(one: Position, other: Position): boolean {
  return one.line > other.line || (one.line === other.line && one.column > other.column);
}
