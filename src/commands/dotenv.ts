/**
 * Reads files of `NAME=value` lines, as `--env-file`, `--var-file` and `--secret-file` take them: comments, `export`, single quotes (as written), double
 * quotes (with \n, \t, \", \\ and \$), both over several lines. Stricter than most readers: a line that is none of these is an
 * error with its number, because a secret that silently is not there is found out too late. No such file is read unless an option names it. Messages never hold a value.
 */
import type { Pair } from "./pairs.ts";

export type DotenvResult =
  | { readonly ok: true; readonly pairs: readonly Pair[] }
  | { readonly ok: false; readonly line: number; readonly message: string };

export function parseDotenv(text: string): DotenvResult {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const pairs: Pair[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? "";
    if (/^\s*(?:#|$)/.test(line)) continue;
    const number = index + 1;
    // No variable can hold one: the value would be cut where it is used.
    if (line.includes("\0")) return { ok: false, line: number, message: "a NUL character" };
    const [, key, start] = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)$/s.exec(line) ?? [];
    if (key === undefined || start === undefined) return { ok: false, line: number, message: "expected NAME=value" };
    if (!/^['"]/.test(start)) {
      // A comment after a bare value needs a space before it: `#` is a common character in passwords.
      pairs.push({ key, value: start.replace(/(?:^|\s)#.*$/s, "").trimEnd() });
      continue;
    }
    let quoted = start;
    while (!isClosed(quoted) && index + 1 < lines.length) {
      index += 1;
      if (lines[index]?.includes("\0") === true) return { ok: false, line: index + 1, message: "a NUL character" };
      quoted += `\n${lines[index] ?? ""}`;
    }
    const value = unquote(quoted);
    if (value === undefined) {
      const message = isClosed(quoted) ? "text after the closing quote" : "a quote is not closed";
      return { ok: false, line: number, message };
    }
    pairs.push({ key, value });
  }
  return { ok: true, pairs };
}

function isClosed(quoted: string): boolean {
  return quoted.startsWith("'") ? /^'[^']*'/.test(quoted) : /^"(?:[^"\\]|\\[^])*"/.test(quoted);
}

function unquote(quoted: string): string | undefined {
  const [, single, double] = /^(?:'([^']*)'|"((?:[^"\\]|\\[^])*)")\s*(?:#.*)?$/s.exec(quoted) ?? [];
  return single ?? double?.replaceAll(/\\([nrt"\\$])/g, (_, letter: string) => escapes[letter] ?? letter);
}

const escapes: { readonly [letter: string]: string } = { n: "\n", r: "\r", t: "\t" };
