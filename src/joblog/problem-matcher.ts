/**
 * Turns lines of output into annotations by the problem matchers that the job has added (ACTIONS-CONTRACT §2.3). `MatcherSet`
 * belongs to the job, `MatcherState` to one stream of one step: multi-line matching on stdout and stderr is independent.
 *
 * The expressions come from the job and JavaScript's can take forever, so none is run outside `withinDeadline`, except on lines
 * that were rehearsed: all lines of a chunk against all expressions in one guarded call, which shows that doing it again is
 * quick. GitHub gives a match 1 s and drops a matcher after three timeouts; here a timeout is 250 ms, because the whole process
 * waits for it, and a job whose slow calls (of more than 5 ms) have taken 2 s plus 1 µs for each character loses all its
 * matchers, with a warning.
 *
 * Not covered: lines of more than 16 Ki characters are not matched, a file is not looked for on disk (any path inside the
 * workspace is accepted, where GitHub wants it to exist in a checkout of the repository), and `code` is checked but not shown.
 */
import type { AnnotationFields } from "../store/run-event.ts";
import { parseNumber, pathInWorkspace } from "./annotation.ts";
import { parseSeverity } from "./matcher-file.ts";
import type { Matcher, MatcherPattern, MatcherProperty } from "./matcher-file.ts";
import { withinDeadline } from "./within-deadline.ts";

const MAX_MATCHED_LINE_CHARACTERS = 16 << 10;

const TIMEOUT_MS = 250;
const MAX_TIMEOUTS = 3;
const FREE_MS = 5;
const BUDGET_MS = 2000;
const BUDGET_MS_PER_CHARACTER = 0.001;
const MAX_MATCHERS = 100;

/** A job's matchers as plain data for a checkpoint, with what they have used up of its patience. */
export interface MatcherSetSnapshot {
  /** Newest first. */
  readonly matchers: readonly (Omit<Matcher, "patterns"> & {
    readonly patterns: readonly (Omit<MatcherPattern, "expression"> & { readonly expression: string })[];
    readonly timeouts: number;
  })[];
  readonly budgetMs: number;
}

export class MatcherSet {
  /** Newest first. Replaced, never changed, so that its identity tells whether it is still the same. */
  #matchers: readonly Matcher[] = [];
  readonly #now: () => number;
  readonly #timeouts = new Map<Matcher, number>();
  #budgetMs = BUDGET_MS;
  #warnings: string[] = [];

  /** `now` in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get matchers(): readonly Matcher[] {
    return this.#matchers;
  }

  snapshot(): MatcherSetSnapshot {
    const matchers = this.#matchers.map((matcher) => ({
      ...matcher,
      patterns: matcher.patterns.map((pattern) => ({ ...pattern, expression: pattern.expression.source })),
      timeouts: this.#timeouts.get(matcher) ?? 0,
    }));
    return { matchers, budgetMs: this.#budgetMs };
  }

  static restore(snapshot: MatcherSetSnapshot, now?: () => number): MatcherSet {
    const set = new MatcherSet(now);
    set.#budgetMs = snapshot.budgetMs;
    set.#matchers = snapshot.matchers.map(({ timeouts, patterns, ...rest }) => {
      const compiled = patterns.map((pattern) => ({ ...pattern, expression: new RegExp(pattern.expression) }));
      const matcher: Matcher = { ...rest, patterns: compiled };
      set.#timeouts.set(matcher, timeouts);
      return matcher;
    });
    return set;
  }

  /** A matcher replaces one of the same owner. */
  add(matchers: readonly Matcher[]): void {
    if (this.#budgetMs <= 0) {
      this.#warnings.push("Problem matchers are switched off in this job, so none was added.");
      return;
    }
    const others = this.#without(matchers.map((matcher) => matcher.owner));
    this.#matchers = [...matchers, ...others].slice(0, MAX_MATCHERS);
  }

  remove(owners: readonly string[]): void {
    this.#matchers = this.#without(owners);
  }

  /** What happened to the matchers since the last call, for the log. */
  takeWarnings(): readonly string[] {
    const warnings = this.#warnings;
    if (warnings.length > 0) this.#warnings = [];
    return warnings;
  }

  /** Tries every expression on every line. Returns the matchers for which matching these lines is known to be quick. */
  rehearse(lines: readonly string[]): readonly Matcher[] | undefined {
    const matchers = this.#matchers;
    if (matchers.length === 0) return matchers;
    const expressions = matchers.flatMap((matcher) => matcher.patterns.map((pattern) => pattern.expression));
    const done = this.#timed(lines, () => {
      for (const line of lines) {
        if (isMatchable(line)) for (const expression of expressions) expression.test(line);
      }
    });
    return done === undefined ? undefined : matchers;
  }

  /** One matcher on one line that was not rehearsed. Undefined when it was cut off. */
  guard<Result>(matcher: Matcher, line: string, work: () => Result): { readonly result: Result } | undefined {
    const done = this.#timed([line], work);
    if (done === undefined) this.#countTimeout(matcher);
    return done;
  }

  #timed<Result>(lines: readonly string[], work: () => Result): { readonly result: Result } | undefined {
    const start = this.#now();
    const done = withinDeadline(TIMEOUT_MS, work);
    const tookMs = this.#now() - start;
    if (tookMs <= FREE_MS) return done;
    this.#budgetMs += lines.reduce((sum, line) => sum + line.length, 0) * BUDGET_MS_PER_CHARACTER - tookMs;
    if (this.#budgetMs <= 0 && this.#matchers.length > 0) {
      this.#matchers = [];
      this.#warnings.push("Problem matchers are switched off for the rest of this job: they took too long.");
    }
    return done;
  }

  #countTimeout(matcher: Matcher): void {
    const count = (this.#timeouts.get(matcher) ?? 0) + 1;
    this.#timeouts.set(matcher, count);
    if (count < MAX_TIMEOUTS || !this.#matchers.includes(matcher)) return;
    this.#matchers = this.#matchers.filter((other) => other !== matcher);
    this.#warnings.push(`Removing issue matcher '${matcher.owner}'. Matcher failed ${MAX_TIMEOUTS} times.`);
  }

  #without(owners: readonly string[]): readonly Matcher[] {
    const gone = new Set(owners.map((owner) => owner.toLowerCase()));
    return this.#matchers.filter((matcher) => !gone.has(matcher.owner.toLowerCase()));
  }
}

export class MatcherState {
  readonly #set: MatcherSet;
  readonly #workspace: string;
  #matchers: readonly Matcher[] = [];
  /** For each matcher, what its patterns but the last have matched on the lines before. */
  #running = new Map<Matcher, Running>();

  constructor(set: MatcherSet, workspace: string) {
    this.#set = set;
    this.#workspace = workspace;
  }

  /** The annotation that `line`, without terminal codes, completes. `rehearsed` is what `rehearse` returned for it. */
  match(line: string, rehearsed: readonly Matcher[] | undefined): AnnotationFields | undefined {
    if (!isMatchable(line)) return undefined;
    this.#follow();
    const isQuick = rehearsed === this.#matchers;
    for (const matcher of this.#matchers) {
      // A matcher before this one may have used up what all of them have.
      if (this.#matchers !== this.#set.matchers) return undefined;
      const running = this.#runningOf(matcher);
      const work = (): Values | undefined => advance(matcher, running, line);
      const done = isQuick ? { result: work() } : this.#set.guard(matcher, line, work);
      if (done === undefined) running.length = 0;
      const values = done?.result;
      if (values === undefined) continue;
      this.#resetOthers(matcher);
      const annotation = toAnnotation(matcher, values, this.#workspace);
      if (annotation !== undefined) return annotation;
    }
    return undefined;
  }

  /** Matchers may have come and gone; those that stayed keep their state. */
  #follow(): void {
    if (this.#matchers === this.#set.matchers) return;
    this.#matchers = this.#set.matchers;
    this.#running = new Map(this.#matchers.map((matcher) => [matcher, this.#runningOf(matcher)]));
  }

  #runningOf(matcher: Matcher): Running {
    return this.#running.get(matcher) ?? [];
  }

  #resetOthers(matcher: Matcher): void {
    for (const [other, running] of this.#running) if (other !== matcher) running.length = 0;
  }
}

type Values = { readonly [property in MatcherProperty]?: string };

/** At index i, what patterns 0 to i have matched on consecutive lines; undefined or absent when they have not. */
type Running = (Values | undefined)[];

function isMatchable(line: string): boolean {
  return line.length <= MAX_MATCHED_LINE_CHARACTERS;
}

/** From the last pattern to the first, so that a line does not advance twice. Returns what a completed match has collected. */
function advance(matcher: Matcher, running: Running, line: string): Values | undefined {
  const last = matcher.patterns.length - 1;
  for (let index = last; index >= 0; index--) {
    const before = index === 0 ? {} : running[index - 1];
    const pattern = matcher.patterns[index];
    if (before === undefined || pattern === undefined) continue;
    const found = pattern.expression.exec(line);
    if (index < last) {
      running[index] = found === null ? undefined : { ...before, ...valuesOf(pattern, found) };
    } else if (found !== null) {
      running.length = 0;
      if (pattern.loop) running[index - 1] = before;
      return { ...before, ...valuesOf(pattern, found) };
    } else if (index > 0) {
      running[index - 1] = undefined;
    }
  }
  return undefined;
}

function valuesOf(pattern: MatcherPattern, found: RegExpExecArray): Values {
  return Object.fromEntries(pattern.groups.map(([property, group]) => [property, found[group] ?? ""]));
}

function toAnnotation(matcher: Matcher, values: Values, workspace: string): AnnotationFields | undefined {
  const { message = "", severity = "", file = "", fromPath = "" } = values;
  const level = severity === "" ? matcher.severity : parseSeverity(severity);
  if (message.trim() === "" || level === undefined) return undefined;
  const line = parseNumber(values.line);
  return {
    level,
    message,
    title: undefined,
    file: file.trim() === "" ? undefined : pathInWorkspace(workspace, file, fromPath || matcher.fromPath),
    line,
    endLine: undefined,
    column: line === undefined ? undefined : parseNumber(values.column),
    endColumn: undefined,
  };
}
