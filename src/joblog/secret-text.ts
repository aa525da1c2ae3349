/**
 * Finds secrets in a short text that is about to be sent to somebody: each secret and each of its lines, in the forms of
 * `mask-forms.ts`. Shorter ones than `MIN_CHARACTERS` are not looked for: they stand in any text by chance, and a text that holds
 * one is refused, not masked.
 */
import { Automaton } from "./automaton.ts";
import type { Range } from "./automaton.ts";
import { maskForms } from "./mask-forms.ts";

const MIN_CHARACTERS = 8;

/** The answer may be used concurrently; what it looks for is built once. */
export function createSecretFinder(secrets: Iterable<string>): (text: string) => boolean {
  const values = [...secrets].flatMap((secret) => [secret, ...secret.split(/\r?\n|\r/u)]).map((value) => value.trim());
  const forms = new Set(values.filter((value) => value.length >= MIN_CHARACTERS).flatMap(maskForms));
  const wanted = [...forms].filter((form) => form.length >= MIN_CHARACTERS);
  if (wanted.length === 0) return () => false;
  const automaton = new Automaton(wanted);
  return (text) => {
    const ranges: Range[] = [];
    automaton.scan(text, ranges);
    return ranges.length > 0;
  };
}
