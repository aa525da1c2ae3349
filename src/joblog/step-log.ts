/**
 * One step's output: bytes in, events and effects out. Splits lines, obeys workflow commands, matches problems, and passes the
 * rest to the log (ACTIONS-CONTRACT §2.2, §2.3). stdout and stderr are equal, but for the state of multi-line matchers.
 * Masking is in `log-writer.ts`, through which everything goes; what a command does is in `obey-command.ts`.
 */
import { LineSplitter } from "../lib/line-splitter.ts";
import type { Line } from "../lib/line-splitter.ts";
import type { OutputStream } from "../protocol/agent-client.ts";
import type { JobKey, RunEventBody } from "../store/run-event.ts";
import { hasAnsi, stripAnsi } from "./ansi.ts";
import { plainAnnotation } from "./annotation.ts";
import type { AnnotationLevel } from "./annotation.ts";
import { CommandObeyer } from "./obey-command.ts";
import { LogWriter } from "./log-writer.ts";
import type { Masker } from "./masker.ts";
import type { Matcher } from "./matcher-file.ts";
import { MatcherState } from "./problem-matcher.ts";
import type { MatcherSet } from "./problem-matcher.ts";
import type { StepEffects } from "./set-command.ts";

/** A command may be longer than a line of the log, as long as a command file may be; what is longer is not kept. */
export const MAX_LINE_BYTES = 1 << 20;

export interface StepLogOptions {
  readonly job: JobKey;
  readonly step: string;
  readonly masker: Masker;
  readonly emit: (event: RunEventBody) => void;
  /** Absolute path inside the machine, for paths in annotations and of matcher files. */
  readonly workspace: string;
  /** Of the job: shared by all its steps, changed by their commands. */
  readonly matchers: MatcherSet;
  readonly debug: boolean;
  /** Whether the step's environment says ACTIONS_ALLOW_UNSECURE_COMMANDS. */
  readonly allowUnsecureCommands: () => boolean;
  readonly effects: StepEffects;
  /** Undefined when there is no such file. May throw GUEST_REFUSED for one that is too large. */
  readonly readMatcherFile: (path: string) => Promise<Buffer | undefined>;
}

export interface StepLog {
  /** Output of the step's process. A promise that it returns must be awaited before the guest is asked for more. */
  write(stream: OutputStream, chunk: Buffer): void | Promise<void>;
  /** The runner's own lines: masked like everything, but no command and no match is looked for in them. */
  line(text: string): void;
  group(title: string): void;
  groupEnd(): void;
  /** The runner's own error: an annotation and a `##[error]` line. */
  error(message: string): void;
  warning(message: string): void;
  /** The runner's own, shown only when the job is debugged. */
  debug(message: string): void;
  /** Call after each process has ended. `failed` holds why the step has failed whatever its exit code; mostly nothing. */
  end(): Promise<{ readonly failed: readonly string[] }>;
}

export function createStepLog(options: StepLogOptions): StepLog {
  return new OpenStepLog(options);
}

class OpenStepLog implements StepLog {
  readonly #writer: LogWriter;
  readonly #commands: CommandObeyer;
  readonly #matchers: MatcherSet;
  readonly #debug: boolean;
  readonly #streams: { readonly [stream in OutputStream]: StreamState };
  /** Set while a command waits for a file; lines that come meanwhile wait behind it. */
  #busy: Promise<void> | undefined;

  constructor(options: StepLogOptions) {
    this.#writer = new LogWriter(options, options.masker, options.emit);
    this.#commands = new CommandObeyer(options, this.#writer);
    this.#matchers = options.matchers;
    this.#debug = options.debug;
    this.#streams = { stdout: newStream(options), stderr: newStream(options) };
  }

  write(stream: OutputStream, chunk: Buffer): void | Promise<void> {
    const { splitter } = this.#streams[stream];
    return this.#after(() => this.#takeAll(stream, splitter.push(chunk)));
  }

  line(text: string): void {
    this.#writer.own(text);
  }

  group(title: string): void {
    this.#writer.ownGroup(title);
  }

  groupEnd(): void {
    this.#writer.ownGroupEnd();
  }

  error(message: string): void {
    this.#say("error", message);
  }

  warning(message: string): void {
    this.#say("warning", message);
  }

  debug(message: string): void {
    if (this.#debug) this.#writer.own(message, "##[debug]");
  }

  async end(): Promise<{ readonly failed: readonly string[] }> {
    for (const stream of ["stdout", "stderr"] as const) {
      await this.#after(() => {
        const last = this.#streams[stream].splitter.end();
        return last === undefined ? undefined : this.#takeAll(stream, [last]);
      });
    }
    return { failed: this.#commands.end() };
  }

  #say(level: AnnotationLevel, message: string): void {
    this.#writer.annotation(plainAnnotation(level, message));
    this.#writer.own(message, `##[${level}]`);
  }

  /** At once when nothing is waited for, so that the usual case makes no promises. */
  #after(work: () => void | Promise<void>): void | Promise<void> {
    const waiting = this.#busy === undefined ? work() : this.#busy.then(work);
    if (waiting === undefined) return undefined;
    const busy = waiting.finally(() => {
      if (this.#busy === busy) this.#busy = undefined;
    });
    this.#busy = busy;
    return busy;
  }

  #takeAll(stream: OutputStream, lines: Iterable<Line>): void | Promise<void> {
    if (this.#matchers.matchers.length === 0) return this.#takeRest(stream, lines[Symbol.iterator](), undefined);
    const all = [...lines];
    const rehearsed = this.#matchers.rehearse(all.map((line) => stripAnsi(line.text)));
    return this.#takeRest(stream, all[Symbol.iterator](), rehearsed);
  }

  #takeRest(
    stream: OutputStream,
    lines: Iterator<Line>,
    rehearsed: readonly Matcher[] | undefined,
  ): void | Promise<void> {
    for (let next = lines.next(); next.done !== true; next = lines.next()) {
      const waiting = this.#take(stream, next.value, rehearsed);
      if (waiting !== undefined) return waiting.then(() => this.#takeRest(stream, lines, rehearsed));
    }
    return undefined;
  }

  #take(stream: OutputStream, line: Line, rehearsed: readonly Matcher[] | undefined): void | Promise<void> {
    const command = this.#commands.parse(line);
    if (command !== undefined) return this.#commands.obey(command, line);
    if (line.droppedBytes > 0) this.#writer.cutLine(line.text, line.droppedBytes);
    else if (this.#matchers.matchers.length === 0) this.#writer.line(line.text);
    else this.#match(stream, line.text, rehearsed);
    return undefined;
  }

  #match(stream: OutputStream, text: string, rehearsed: readonly Matcher[] | undefined): void {
    const plain = hasAnsi(text) ? stripAnsi(text) : text;
    const annotation = this.#streams[stream].matching.match(plain, rehearsed);
    for (const warning of this.#matchers.takeWarnings()) this.#commands.warn(warning);
    if (annotation === undefined) return this.#writer.line(text);
    this.#writer.annotation(annotation);
    return this.#writer.tagged(`##[${annotation.level}]`, plain);
  }
}

interface StreamState {
  readonly splitter: LineSplitter;
  readonly matching: MatcherState;
}

function newStream(options: StepLogOptions): StreamState {
  return {
    splitter: new LineSplitter(MAX_LINE_BYTES),
    matching: new MatcherState(options.matchers, options.workspace),
  };
}
