/**
 * The only way from a step to its log: everything is masked here, then cut, then counted, then said as an event. Nothing else
 * in the project makes `log`, `group` or `annotation` events, so nothing a job prints can reach a store or a screen unmasked.
 * What the job prints is limited (SECURITY-RELIABILITY §3.2); what the runner itself says is not, so that a step's failure can
 * always be read.
 */
import { characterBorder } from "../lib/line-splitter.ts";
import type { AnnotationFields, RunEventBody, StepRef } from "../store/run-event.ts";
import { MAX_MESSAGE_CHARACTERS } from "./annotation.ts";
import type { AnnotationLevel } from "./annotation.ts";
import type { Masker } from "./masker.ts";

export const MAX_LOG_LINE_BYTES = 64 << 10;
export const MAX_STEP_LOG_BYTES = 64 << 20;
const MAX_ANNOTATIONS_PER_LEVEL = 10;

/** A line costs at least this much of the step's log: the record of an empty line is larger than the line. */
const MIN_LINE_COST_BYTES = 32;
const TRUNCATED = "[log truncated after 64 MiB; the step's result is not affected]";

export class LogWriter {
  readonly #ref: StepRef;
  readonly #masker: Masker;
  readonly #emit: (event: RunEventBody) => void;
  readonly #annotations = new Map<AnnotationLevel, number>();
  #spentBytes = 0;

  constructor(ref: StepRef, masker: Masker, emit: (event: RunEventBody) => void) {
    this.#ref = { job: ref.job, step: ref.step };
    this.#masker = masker;
    this.#emit = emit;
  }

  /** A line that the job printed. */
  line(text: string): void {
    this.#output(this.#masker.mask(text), 0);
  }

  /** A line whose end was dropped where it came in. */
  cutLine(text: string, droppedBytes: number): void {
    this.#output(this.#masker.maskCut(text), droppedBytes);
  }

  /** What the runner says about what the job printed: `tag` stands before each line of `text`. */
  tagged(tag: string, text: string): void {
    for (const line of linesOf(this.#masker.mask(text))) this.#output(`${tag}${line}`, 0);
  }

  /** What the runner says of itself, `tag` before each line. */
  own(text: string, tag = ""): void {
    for (const line of linesOf(this.#masker.mask(text))) this.#say(cutTo(MAX_LOG_LINE_BYTES, `${tag}${line}`, 0));
  }

  /** Printed by the job. A title of several lines has its first as title; the others follow as text. */
  group(title: string): void {
    const [first = "", ...others] = linesOf(this.#masker.mask(title));
    const shown = cutTo(MAX_LOG_LINE_BYTES, first, 0);
    if (this.#spend(shown)) this.#emit({ type: "group", ...this.#ref, title: shown });
    for (const line of others) this.#output(line, 0);
  }

  groupEnd(): void {
    if (this.#spend("")) this.#emit({ type: "group_end", ...this.#ref });
  }

  ownGroup(title: string): void {
    const [first = ""] = linesOf(this.#masker.mask(title));
    this.#emit({ type: "group", ...this.#ref, title: cutTo(MAX_LOG_LINE_BYTES, first, 0) });
  }

  ownGroupEnd(): void {
    this.#emit({ type: "group_end", ...this.#ref });
  }

  /** At most ten of each level in a step, as on GitHub; those above are in the log only. */
  annotation(annotation: AnnotationFields): void {
    const count = this.#annotations.get(annotation.level) ?? 0;
    if (count === MAX_ANNOTATIONS_PER_LEVEL) return;
    this.#annotations.set(annotation.level, count + 1);
    this.#emit({ type: "annotation", ...this.#ref, annotation: this.#maskedAnnotation(annotation) });
  }

  #maskedAnnotation(annotation: AnnotationFields): AnnotationFields {
    const masked = (text: string | undefined): string | undefined =>
      text === undefined ? undefined : this.#maskAndCut(text);
    return {
      ...annotation,
      message: this.#maskAndCut(annotation.message),
      title: masked(annotation.title),
      file: masked(annotation.file),
    };
  }

  #maskAndCut(text: string): string {
    return this.#masker.mask(text).slice(0, MAX_MESSAGE_CHARACTERS).toWellFormed();
  }

  #output(masked: string, droppedBytes: number): void {
    const line = cutTo(MAX_LOG_LINE_BYTES, masked, droppedBytes);
    if (this.#spend(line)) this.#say(line);
  }

  #say(line: string): void {
    this.#emit({ type: "log", ...this.#ref, line });
  }

  /** False when the step's log is full; the first refusal says so. */
  #spend(text: string): boolean {
    if (this.#spentBytes > MAX_STEP_LOG_BYTES) return false;
    this.#spentBytes += Math.max(MIN_LINE_COST_BYTES, Buffer.byteLength(text) + 1);
    if (this.#spentBytes <= MAX_STEP_LOG_BYTES) return true;
    this.#say(TRUNCATED);
    return false;
  }
}

function linesOf(text: string): readonly string[] {
  return text.split(/\r\n|\n|\r/);
}

/** `droppedBytes` were lost before. Only to be given text that is masked already: a cut may not show the half of a secret. */
function cutTo(maxBytes: number, masked: string, droppedBytes: number): string {
  // A UTF-16 unit is at most three bytes of UTF-8.
  if (droppedBytes === 0 && masked.length * 3 <= maxBytes) return masked;
  const bytes = Buffer.from(masked);
  if (droppedBytes === 0 && bytes.length <= maxBytes) return masked;
  const end = bytes.length <= maxBytes ? bytes.length : characterBorder(bytes, maxBytes);
  return `${bytes.toString("utf8", 0, end)}[line truncated, ${bytes.length - end + droppedBytes} bytes]`;
}
