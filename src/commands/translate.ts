/** `hearth translate`: which steps stand for actions that cannot run here, as a change of the lock file for people to review. */
import { translatedText } from "../action/translated-way.ts";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { unreachable } from "../lib/unreachable.ts";
import { LOCK_FILE } from "../select/lock.ts";
import { actionOf } from "../select/manage-translations.ts";
import type { TranslationChange } from "../select/manage-translations.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { manageRequest } from "./lock.ts";
import type { Output, Terminal } from "./terminal.ts";

export interface TranslateCommandOptions {
  readonly all?: boolean;
  readonly write?: boolean;
  readonly json?: boolean;
}

/** Fails where nothing stands for an action. */
export async function translate(
  { actions }: Hearth,
  terminal: Terminal,
  path: string | undefined,
  { all = false, write = false, json = false }: TranslateCommandOptions,
): Promise<ExitCode> {
  const { out, err } = terminal;
  const { changes, written, warnings } = await actions.translate({ ...manageRequest(path, terminal), all, write });
  for (const warning of warnings) err.write(`${plainText(formatDiagnostic(warning))}\n`);
  if (json) out.write(`${JSON.stringify(changes, undefined, 2)}\n`);
  else printChanges(out, changes, written);
  return changes.some(({ kind }) => kind === "none") ? exitCode.workflow : exitCode.success;
}

function printChanges(out: Output, changes: readonly TranslationChange[], written: boolean): void {
  for (const change of changes) printChange(out, change);
  const count = (kind: TranslationChange["kind"]): number => changes.filter((change) => change.kind === kind).length;
  const [fresh, pinned, removed, none] = [count("new"), count("pinned"), count("removed"), count("none")];
  const where = written ? `written to ${LOCK_FILE}` : `not in ${LOCK_FILE}`;
  out.write(
    `${counted(fresh, "translation")} ${where}, ${pinned} pinned, ${removed} no longer needed, ${none} without\n`,
  );
  if (fresh > 0 && !written) out.write("hearth translate --write pins them; review them as you would review code\n");
}

function printChange(out: Output, change: TranslationChange): void {
  const { bold, dim, green, red } = out.colors;
  const name = bold(plainText(actionOf(change)));
  switch (change.kind) {
    case "none":
      out.write(`${name}  ${red(plainText(change.why))}\n`);
      return;
    case "pinned":
      out.write(`${name}  ${dim(`${plainText(translatedText(change.translation.by))}, pinned`)}\n`);
      return;
    case "removed":
      out.write(`${name}  ${dim("no longer needed")}\n`);
      return;
    case "new": {
      const { translation, before, outputsNotSet } = change;
      out.write(`${name}  ${plainText(translatedText(translation.by))}\n`);
      if (outputsNotSet.length > 0) {
        out.write(`  outputs that stay empty: ${plainText(outputsNotSet.join(", "))}\n`);
      }
      for (const { sign, line } of lineChanges(before?.manifest ?? "", translation.manifest)) {
        const text = `${sign} ${plainText(line)}`;
        out.write(`  ${sign === "+" ? green(text) : sign === "-" ? red(text) : dim(text)}\n`);
      }
      return;
    }
    default:
      unreachable(change);
  }
}

interface ChangedLine {
  readonly sign: "+" | "-" | " ";
  readonly line: string;
}

function mark(sign: ChangedLine["sign"], lines: readonly string[]): readonly ChangedLine[] {
  return lines.map((line) => ({ sign, line }));
}

/** What begins and ends both texts stays; all between is taken out and put in. */
export function lineChanges(before: string, after: string): readonly ChangedLine[] {
  const [old, fresh] = [linesOf(before), linesOf(after)];
  let start = 0;
  while (start < Math.min(old.length, fresh.length) && old[start] === fresh[start]) start += 1;
  let end = 0;
  const rest = Math.min(old.length, fresh.length) - start;
  while (end < rest && old[old.length - 1 - end] === fresh[fresh.length - 1 - end]) end += 1;
  return [
    ...mark(" ", fresh.slice(Math.max(0, start - AROUND), start)),
    ...mark("-", old.slice(start, old.length - end)),
    ...mark("+", fresh.slice(start, fresh.length - end)),
    ...mark(" ", fresh.slice(fresh.length - end, fresh.length - end + AROUND)),
  ];
}

const AROUND = 3;

function linesOf(text: string): readonly string[] {
  return text === "" ? [] : text.replace(/\n$/u, "").split("\n");
}
