/**
 * Hides secrets in text: every form of every registered value becomes `***`; overlapping and touching places become one.
 * A safety net, not a boundary: a program that holds a secret can always disguise it. Masks start when they are registered.
 * Matching is also done on the text without terminal codes, so that colours inside a secret do not show it.
 *
 * What is registered (ACTIONS-CONTRACT §2.5): the value trimmed, and each of its lines trimmed, because a log is masked line by
 * line. Short values, where GitHub and SECURITY-RELIABILITY A13 differ, are decided so:
 * - a secret is masked whatever its length, as on GitHub: its owner chose it;
 * - a line of a multi-line secret of fewer than 4 characters is not registered by itself: GitHub masks every `{` of the log for
 *   the sake of a JSON secret, which protects nobody and ruins the log;
 * - a job's own mask (`::add-mask::`) of fewer than 4 characters is refused: any program can print that command.
 * A job may register 1,000 masks of 64 Ki characters together; more is an error of the step rather than a log with secrets in it.
 */
import { Automaton } from "./automaton.ts";
import type { Range } from "./automaton.ts";
import { hasAnsi, withoutAnsi } from "./ansi.ts";
import { maskForms } from "./mask-forms.ts";
import { SecretScanner } from "./secret-scan.ts";

export const MIN_MASK_LENGTH = 4;
export const MAX_JOB_MASKS = 1000;
export const MAX_JOB_MASK_CHARACTERS = 64 << 10;

const MASK = "***";

/** Switches of debug logging, which GitHub does not hide either: their value is `true`, and would be hidden in every log. */
const NOT_SECRET: ReadonlySet<string> = new Set(["ACTIONS_STEP_DEBUG", "ACTIONS_RUNNER_DEBUG"]);

/** `full`: the job has used up its masks, and this value will not be hidden. */
export type JobMaskResult = "added" | "too_short" | "full";

/** Everything that a masker hides, as plain data for a checkpoint: as secret as the secrets themselves. */
export interface MaskerSnapshot {
  readonly values: readonly string[];
  readonly secrets: readonly string[];
  readonly jobMasks: number;
  readonly jobMaskCharacters: number;
}

export class Masker {
  readonly #values = new Set<string>();
  /** What is looked for in uploads: what was given to the run, and tokens that open something now. */
  readonly #secrets = new Set<string>();
  readonly #tokens = new Set<string>();
  #scanner: SecretScanner | undefined;
  readonly #forms = new Set<string>();
  /** Forms not yet in an automaton: building waits until something has to be masked. */
  #unbuilt: string[] = [];
  /** Each at least twice as large as the next, so adding n masks one by one costs n log n, not n squared. */
  readonly #automata: Automaton[] = [];
  #jobMasks = 0;
  #jobMaskCharacters = 0;

  /** Registers a token that was made for the run. Safe to call twice. */
  add(token: string): void {
    this.#tokens.add(token);
    this.#scanner = undefined;
    for (const value of maskedValues(token)) this.#register(value);
  }

  /** The token opens nothing any more to who reads an upload: it stays hidden and is not looked for. Secrets of the run stay. */
  retire(token: string): void {
    if (this.#tokens.delete(token)) this.#scanner = undefined;
  }

  /** Registers the secrets that jobs may read, by name. Safe to call twice. */
  addSecrets(secrets: { readonly [name: string]: string }): void {
    for (const [name, secret] of Object.entries(secrets)) {
      if (NOT_SECRET.has(name.toUpperCase())) continue;
      this.#secrets.add(secret);
      this.#scanner = undefined;
      for (const value of maskedValues(secret)) this.#register(value);
    }
  }

  /** Registers what a job asked to be masked. */
  addJobMask(text: string): JobMaskResult {
    if (text.trim().length < MIN_MASK_LENGTH) return "too_short";
    const values = maskedValues(text).filter((value) => !this.#values.has(value));
    const characters = values.reduce((sum, value) => sum + value.length, 0);
    if (this.#jobMasks + values.length > MAX_JOB_MASKS) return "full";
    if (this.#jobMaskCharacters + characters > MAX_JOB_MASK_CHARACTERS) return "full";
    this.#jobMasks += values.length;
    this.#jobMaskCharacters += characters;
    for (const value of values) this.#register(value);
    return "added";
  }

  snapshot(): MaskerSnapshot {
    return {
      values: [...this.#values],
      secrets: [...this.#secrets, ...this.#tokens],
      jobMasks: this.#jobMasks,
      jobMaskCharacters: this.#jobMaskCharacters,
    };
  }

  static restore({ values, secrets, jobMasks, jobMaskCharacters }: MaskerSnapshot): Masker {
    const masker = new Masker();
    for (const secret of secrets) masker.#secrets.add(secret);
    for (const value of values) masker.#register(value);
    masker.#jobMasks = jobMasks;
    masker.#jobMaskCharacters = jobMaskCharacters;
    return masker;
  }

  mask(text: string): string {
    return replace(text, this.#find(text).ranges);
  }

  /** As `mask`, for a text whose end was cut off: the beginning of a secret that stands at the cut is hidden as well. */
  maskCut(text: string): string {
    const { ranges, unfinishedAt } = this.#find(text);
    return replace(text, merge([...ranges, { start: unfinishedAt, end: text.length }]));
  }

  /** Whether masking would change this text. */
  hides(text: string): boolean {
    return this.#find(text).ranges.length > 0;
  }

  /**
   * Looks for the secrets of the run in bytes that come in pieces (`SecretScanner`). Not for what jobs had masked: any program can
   * print that command, and its word must not decide what another step may upload.
   */
  startScan(): (piece: Buffer) => boolean {
    return (this.#scanner ??= new SecretScanner([...this.#secrets, ...this.#tokens])).start();
  }

  #register(value: string): void {
    if (this.#values.has(value)) return;
    this.#values.add(value);
    for (const form of maskForms(value)) {
      if (this.#forms.has(form)) continue;
      this.#forms.add(form);
      this.#unbuilt.push(form);
    }
  }

  #find(text: string): { ranges: readonly Range[]; unfinishedAt: number } {
    if (this.#unbuilt.length > 0) this.#build();
    const ranges: Range[] = [];
    let unfinishedAt = text.length;
    for (const automaton of this.#automata) {
      unfinishedAt = Math.min(unfinishedAt, text.length - automaton.scan(text, ranges));
    }
    if (this.#automata.length > 0 && hasAnsi(text)) {
      const plain = withoutAnsi(text);
      const original = (index: number): number => plain.offsets[index] ?? text.length;
      for (const automaton of this.#automata) {
        const found: Range[] = [];
        const unfinished = plain.text.length - automaton.scan(plain.text, found);
        unfinishedAt = Math.min(unfinishedAt, original(unfinished));
        for (const { start, end } of found) ranges.push({ start: original(start), end: original(end - 1) + 1 });
      }
    }
    return { ranges: merge(ranges), unfinishedAt };
  }

  #build(): void {
    let patterns = this.#unbuilt;
    this.#unbuilt = [];
    let size = patterns.reduce((sum, pattern) => sum + pattern.length, 0);
    for (let last = this.#automata.at(-1); last !== undefined && last.size < 2 * size; last = this.#automata.at(-1)) {
      patterns = [...last.patterns, ...patterns];
      size += last.size;
      this.#automata.pop();
    }
    this.#automata.push(new Automaton(patterns));
  }
}

function maskedValues(text: string): readonly string[] {
  const whole = text.trim();
  const lines = whole.split(/[\r\n]+/).map((line) => line.trim());
  const longEnough = lines.length === 1 ? [] : lines.filter((line) => line.length >= MIN_MASK_LENGTH);
  return [whole, ...longEnough].filter((value) => value !== "");
}

function merge(ranges: readonly Range[]): readonly Range[] {
  if (ranges.length < 2) return ranges;
  const merged: Range[] = [];
  for (const range of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last === undefined || range.start > last.end) merged.push(range);
    else if (range.end > last.end) merged[merged.length - 1] = { start: last.start, end: range.end };
  }
  return merged;
}

function replace(text: string, ranges: readonly Range[]): string {
  if (ranges.length === 0) return text;
  const parts: string[] = [];
  let from = 0;
  for (const { start, end } of ranges) {
    if (start === end) continue;
    parts.push(text.slice(from, start), MASK);
    from = end;
  }
  parts.push(text.slice(from));
  return parts.join("");
}
