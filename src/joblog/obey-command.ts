/**
 * What each workflow command does (ACTIONS-CONTRACT §2.2; texts as GitHub's runner has them, `ActionCommandManager.cs`).
 * A command that cannot be obeyed makes two errors and a failed step, whatever the exit code: a lost output or mask must not
 * pass for success. Anything a step prints can be a command, also what it only quotes, so masks and matchers are bounded
 * (SECURITY-RELIABILITY A13). The deprecated commands that set things are in `set-command.ts`.
 * `ACTIONS_ALLOW_UNSECURE_STOPCOMMAND_TOKENS` is not supported: bad tokens are always refused.
 */
import { posix } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import type { Line } from "../lib/line-splitter.ts";
import { annotationFromCommand } from "./annotation.ts";
import type { AnnotationLevel } from "./annotation.ts";
import { CommandLog, CommandProblem } from "./command-log.ts";
import type { LogWriter } from "./log-writer.ts";
import { MAX_JOB_MASK_CHARACTERS, MAX_JOB_MASKS, MIN_MASK_LENGTH } from "./masker.ts";
import type { Masker } from "./masker.ts";
import { parseMatcherFile } from "./matcher-file.ts";
import type { Matcher } from "./matcher-file.ts";
import type { MatcherSet } from "./problem-matcher.ts";
import { SetCommands } from "./set-command.ts";
import type { StepEffects } from "./set-command.ts";
import { parseWorkflowCommand } from "./workflow-command.ts";
import type { WorkflowCommand } from "./workflow-command.ts";

interface CommandOptions {
  readonly masker: Masker;
  readonly workspace: string;
  readonly matchers: MatcherSet;
  readonly debug: boolean;
  readonly allowUnsecureCommands: () => boolean;
  readonly effects: StepEffects;
  readonly readMatcherFile: (path: string) => Promise<Buffer | undefined>;
}

const MAX_FAILURES_KEPT = 10;
/** GitHub hides longer tokens only, lest a token such as `x` hide the log. */
const MAX_SHOWN_TOKEN_LENGTH = 6;

const COMMANDS = [
  "add-mask",
  "add-matcher",
  "add-path",
  "debug",
  "echo",
  "endgroup",
  "error",
  "group",
  "notice",
  "remove-matcher",
  "save-state",
  "set-env",
  "set-output",
  "stop-commands",
  "warning",
] as const;
type CommandName = (typeof COMMANDS)[number];

/** Not repeated in the log when commands are echoed: they hold what is yet to be masked, or are shown in their own way. */
const NEVER_ECHOED: ReadonlySet<CommandName> = new Set([
  "add-mask",
  "debug",
  "error",
  "notice",
  "stop-commands",
  "warning",
]);

export class CommandObeyer {
  readonly #options: CommandOptions;
  readonly #writer: LogWriter;
  readonly #log: CommandLog;
  readonly #settings: SetCommands;
  #saidFull = false;
  #failed: string[] = [];
  #echo: boolean;
  /** While set, in lower case, the only command is this token. */
  #resumeToken: string | undefined;

  constructor(options: CommandOptions, writer: LogWriter) {
    this.#options = options;
    this.#writer = writer;
    this.#log = new CommandLog(writer, options.debug);
    this.#settings = new SetCommands(options, this.#log);
    this.#echo = options.debug;
  }

  /**
   * The process has ended: what it switched on or off is as before it. Returns why the step has failed, at most the first ten
   * reasons.
   */
  end(): readonly string[] {
    const failed = this.#failed;
    this.#failed = [];
    this.#echo = this.#options.debug;
    this.#resumeToken = undefined;
    return failed;
  }

  /** Undefined when the line is text, as every line but the token's is while commands are stopped. */
  parse(line: Line): WorkflowCommand | undefined {
    const token = this.#resumeToken;
    const command = parseWorkflowCommand(line.text, (name) => isCommandName(name) || name === token);
    return token === undefined || command?.name.toLowerCase() === token ? command : undefined;
  }

  /** Returns a promise only when a file has to be read first. */
  obey(command: WorkflowCommand, line: Line): void | Promise<void> {
    if (this.#resumeToken !== undefined) return this.#resume(line);
    const name = command.name.toLowerCase();
    if (!isCommandName(name)) throw new Error(`Not a command: ${name}`);
    if (this.#echo && !NEVER_ECHOED.has(name) && line.droppedBytes === 0) this.#writer.line(line.text);
    const shown = NEVER_ECHOED.has(name) || line.droppedBytes > 0 ? name : line.text;
    try {
      if (line.droppedBytes > 0) throw new CommandProblem("The command is longer than 1 MiB.");
      return this.#run(name, command, line)?.catch((error: unknown) => this.#fail(shown, error));
    } catch (error) {
      return this.#fail(shown, error);
    }
  }

  warn(message: string): void {
    this.#log.warn(message);
  }

  #run(name: CommandName, command: WorkflowCommand, line: Line): void | Promise<void> {
    switch (name) {
      case "add-mask":
        return this.#addMask(command.data);
      case "add-matcher":
        return this.#addMatcher(command.data);
      case "remove-matcher":
        return this.#removeMatcher(command);
      case "debug":
        return this.#log.debug(command.data);
      case "notice":
      case "warning":
      case "error":
        return this.#annotate(name, command);
      case "group":
        return this.#writer.group(command.data);
      case "endgroup":
        return this.#writer.groupEnd();
      case "echo":
        return this.#setEcho(command.data);
      case "stop-commands":
        return this.#stop(command.data, line);
      case "set-output":
        return this.#settings.setOutput(command);
      case "save-state":
        return this.#settings.saveState(command);
      case "set-env":
        return this.#settings.setEnv(command);
      case "add-path":
        return this.#settings.addPath(command.data);
    }
  }

  #fail(shown: string, error: unknown): void {
    const message = problemMessage(error);
    this.#log.issue("error", `Unable to process command '${shown}' successfully.`);
    this.#log.issue("error", message);
    if (this.#failed.length < MAX_FAILURES_KEPT) this.#failed.push(this.#options.masker.mask(message));
  }

  #annotate(level: AnnotationLevel, command: WorkflowCommand): void {
    // GitHub's service drops an annotation that says nothing.
    if (command.data === "") return;
    const { workspace } = this.#options;
    this.#writer.annotation(annotationFromCommand(level, command.data, command.properties, workspace));
    this.#writer.tagged(`##[${level}]`, command.data);
  }

  #addMask(value: string): void {
    if (value.trim() === "") return this.#log.warn("Can't add secret mask for empty string in ##[add-mask] command.");
    const result = this.#options.masker.addJobMask(value);
    if (result === "too_short") {
      return this.#log.warn(
        `Can't add secret mask of fewer than ${MIN_MASK_LENGTH} characters in ##[add-mask] command: it would hide ordinary text.`,
      );
    }
    if (result === "full") return this.#failFull();
    if (this.#echo) this.#writer.line("::add-mask::***");
    return undefined;
  }

  /** A job that adds a hundred thousand masks is told once. */
  #failFull(): void {
    if (this.#saidFull) return;
    this.#saidFull = true;
    throw new CommandProblem(
      `A job may add ${MAX_JOB_MASKS} masks of ${MAX_JOB_MASK_CHARACTERS} characters together; values added from here on are not hidden.`,
    );
  }

  #setEcho(value: string): void {
    const word = value.trim().toLowerCase();
    if (word !== "on" && word !== "off") {
      throw new CommandProblem(
        `Invalid echo command value. Possible values can be: 'on', 'off'. Current value is: '${value}'.`,
      );
    }
    this.#echo = word === "on";
    this.#log.debug(`Setting echo command value to '${word}'`);
  }

  #stop(token: string, line: Line): void {
    const name = token.toLowerCase();
    if (name === "" || name === "pause-logging" || isCommandName(name)) {
      throw new CommandProblem(
        "You cannot use a endToken that is an empty string, the string 'pause-logging', or another workflow command. For more information see: https://docs.github.com/actions/learn-github-actions/workflow-commands-for-github-actions#example-stopping-and-starting-workflow-commands",
      );
    }
    // A line printed while commands are stopped must not be able to quote the token. Without room for it, it is only shown.
    if (token.length > MAX_SHOWN_TOKEN_LENGTH) this.#options.masker.addJobMask(token);
    this.#resumeToken = name;
    this.#writer.line(line.text);
    this.#log.debug("Paused processing commands until the token you called ::stopCommands:: with is received");
  }

  #resume(line: Line): void {
    this.#resumeToken = undefined;
    this.#writer.line(line.text);
    this.#log.debug("Resume processing commands");
  }

  #addMatcher(path: string): void | Promise<void> {
    if (path === "") return this.#log.warn("File path must be specified.");
    return this.#readMatchers(path).then((matchers) => {
      this.#options.matchers.add(matchers);
      for (const warning of this.#options.matchers.takeWarnings()) this.#log.warn(warning);
    });
  }

  #removeMatcher(command: WorkflowCommand): void | Promise<void> {
    const owner = command.properties.get("owner");
    if (owner !== undefined && command.data !== "") {
      return this.#log.warn(
        "Either specify an owner name or a file path in ##[remove-matcher] command. Both values cannot be set.",
      );
    }
    if (owner !== undefined) return this.#options.matchers.remove([owner]);
    if (command.data === "") {
      return this.#log.warn("Either an owner name or a file path must be specified in ##[remove-matcher] command.");
    }
    return this.#readMatchers(command.data).then((matchers) =>
      this.#options.matchers.remove(matchers.map((matcher) => matcher.owner)),
    );
  }

  async #readMatchers(path: string): Promise<readonly Matcher[]> {
    const file = posix.resolve(this.#options.workspace, path);
    const content = await this.#options.readMatcherFile(file);
    if (content === undefined) throw new CommandProblem(`Could not find file '${file}'.`);
    const parsed = parseMatcherFile(content);
    if (parsed.kind === "problem") throw new CommandProblem(`${file}: ${parsed.message}`);
    return parsed.matchers;
  }
}

function isCommandName(name: string): name is CommandName {
  return (COMMANDS as readonly string[]).includes(name);
}

/** A file that the guest refuses to hand over is the job's problem; a guest that is gone is not. */
function problemMessage(error: unknown): string {
  if (error instanceof CommandProblem) return error.message;
  if (error instanceof EngineError && error.code === "GUEST_REFUSED") return error.message;
  throw error;
}
