/**
 * One run as somebody watches it: its record so far and the last lines of each step that is running or has failed. A pure
 * consumer of `RunEvent`s, shared by the live view, the plain view and the report at the end. Holds a bounded number of lines.
 */
import type { RunEvent } from "../store/run-event.ts";
import { applyEvent, emptyRecord } from "../store/run-record.ts";
import type { RunRecord } from "../store/run-record.ts";
import { plainText, splitReturns } from "./display-text.ts";

/** For the report of a failed step. */
const lastLines = 20;
/** Under a running step. */
const shownEntries = 3;
/** A tail is for a glance; the whole line is in the log. */
const maxLineChars = 4_096;

export interface RunWatch {
  /** What people call the workflow: `ci.yml`. */
  readonly label: string;
  readonly record: RunRecord;
  readonly apply: (event: RunEvent) => void;
  /** Undefined for a step that has printed nothing, or has ended well. */
  readonly tailOf: (job: string, step: string) => StepTail | undefined;
}

interface StepTail {
  /** The last 20 lines, those in groups too. */
  readonly last: readonly string[];
  /** The last 3 entries with groups folded: the title of a group and how much it holds so far. */
  readonly shown: readonly TailEntry[];
}

export type TailEntry =
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "group"; readonly title: string; readonly lines: number };

export function watchRun(label: string): RunWatch {
  const record = emptyRecord();
  const tails = new Map<string, GrowingTail>();

  function apply(event: RunEvent): void {
    applyEvent(record, event);
    switch (event.type) {
      case "log":
        return addLine(tailFor(tails, event), clean(event.line));
      case "group":
        return openGroup(tailFor(tails, event), clean(event.title));
      case "group_end":
        tailFor(tails, event).group = undefined;
        return;
      case "step_completed":
        if (event.fate.kind !== "ran" || event.fate.conclusion !== "failure")
          tails.delete(tailKey(event.job, event.step));
        return;
      default:
    }
  }

  return { label, record, apply, tailOf: (job, step) => tails.get(tailKey(job, step)) };
}

interface GrowingTail {
  last: string[];
  shown: TailEntry[];
  group: { kind: "group"; title: string; lines: number } | undefined;
}

function tailFor(tails: Map<string, GrowingTail>, { job, step }: { job: string; step: string }): GrowingTail {
  const key = tailKey(job, step);
  const known = tails.get(key);
  if (known !== undefined) return known;
  const tail: GrowingTail = { last: [], shown: [], group: undefined };
  tails.set(key, tail);
  return tail;
}

function tailKey(job: string, step: string): string {
  return `${job}\n${step}`;
}

function addLine(tail: GrowingTail, text: string): void {
  keepLast(tail.last, text, lastLines);
  if (tail.group === undefined) keepLast(tail.shown, { kind: "line", text }, shownEntries);
  else tail.group.lines += 1;
}

function openGroup(tail: GrowingTail, title: string): void {
  tail.group = { kind: "group", title, lines: 0 };
  keepLast(tail.shown, tail.group, shownEntries);
}

function keepLast<T>(list: T[], item: T, limit: number): void {
  list.push(item);
  if (list.length > limit) list.shift();
}

/** Of a progress bar the state it has now. */
function clean(line: string): string {
  return plainText(splitReturns(line.slice(-maxLineChars)).at(-1) ?? "");
}
