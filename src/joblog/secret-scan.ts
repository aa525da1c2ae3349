/**
 * Finds secrets in bytes that leave a job by another way than its log: uploads. They are not text and are long, and one that is refused
 * for nothing breaks a run, so less is looked for than is masked: of each secret the forms of `mask-forms.ts`, in UTF-8, with
 * at least 8 bytes. A shorter text stands in some archive by chance.
 *
 * A secret of several lines is often written anew with other indents or line ends, so the keys in it are looked for too. Its other
 * lines are not: `-----BEGIN PRIVATE KEY-----` and `"type": "service_account",` are in many files and nobody's secret.
 * Not covered, as in a log: what was compressed, encrypted or cut before it was written.
 */
import { Automaton } from "./automaton.ts";
import type { Range } from "./automaton.ts";
import { maskForms } from "./mask-forms.ts";

const MIN_BYTES = 8;
/** Of base64, hex and the like. The fixed head of a JSON web token is shorter, a private key's line longer. */
const KEY = /[\w+/-]{40,}={0,2}/g;

/** One for a set of secrets; what it looks for is built once. */
export class SecretScanner {
  /** Undefined where there is nothing to look for. */
  readonly #automaton: Automaton | undefined;

  constructor(secrets: Iterable<string>) {
    const forms = new Set([...secrets].flatMap(patternsOf));
    this.#automaton = forms.size === 0 ? undefined : new Automaton([...forms]);
  }

  /** Takes the pieces of some bytes in order, cut anywhere; true when what it was given until now holds a secret. */
  start(): (piece: Buffer) => boolean {
    const automaton = this.#automaton;
    if (automaton === undefined) return () => false;
    let found = false;
    // The end of what came before, where it may be the beginning of a secret.
    let open = "";
    return (piece) => {
      if (found) return true;
      const text = open + piece.toString("latin1");
      const ranges: Range[] = [];
      const unfinished = automaton.scan(text, ranges);
      found = ranges.length > 0;
      open = found || unfinished === 0 ? "" : text.slice(-unfinished);
      return found;
    };
  }
}

/** As bytes: one character for each. */
function patternsOf(secret: string): readonly string[] {
  const whole = secret.trim();
  const keys = /[\r\n]/.test(whole) ? whole.match(KEY) : null;
  return [whole, ...(keys ?? [])]
    .filter((value) => Buffer.byteLength(value) >= MIN_BYTES)
    .flatMap(formsOf)
    .map((form) => Buffer.from(form).toString("latin1"))
    .filter((form) => form.length >= MIN_BYTES);
}

/** Without the parts of one with an ampersand: that is how a terminal prints it, and half of an address is no secret. */
function formsOf(value: string): readonly string[] {
  return maskForms(value).filter((form) => form === value || value === `"${form}"` || !value.includes(form));
}
