/**
 * The deprecated commands that set things: `set-output`, `save-state`, `set-env`, `add-path` (ACTIONS-CONTRACT §2.2). The first
 * two still work. The others are refused unless the workflow allows them, because whoever gets a text into a step's output
 * could change the environment of later steps; allowed ones still give a warning (SECURITY-RELIABILITY A13, A14).
 */
import { isBlockedVariable } from "./blocked-variable.ts";
import { CommandProblem } from "./command-log.ts";
import type { CommandLog } from "./command-log.ts";
import type { WorkflowCommand } from "./workflow-command.ts";

/** Where the deprecated commands write; the engine keeps what it is told. Names and values are the job's, unmasked. */
export interface StepEffects {
  setOutput(name: string, value: string): void;
  saveState(name: string, value: string): void;
  setEnv(name: string, value: string): void;
  addPath(path: string): void;
}

/** What one step may set by commands: as much as by a command file. */
const MAX_SETTINGS = 1000;
const MAX_SETTINGS_CHARACTERS = 1 << 20;

export class SetCommands {
  readonly #effects: StepEffects;
  readonly #allowUnsecure: () => boolean;
  readonly #log: CommandLog;
  /** Of each value that was set, so that one set twice counts once. */
  readonly #sizes = new Map<string, number>();
  #characters = 0;

  constructor(
    options: { readonly effects: StepEffects; readonly allowUnsecureCommands: () => boolean },
    log: CommandLog,
  ) {
    this.#effects = options.effects;
    this.#allowUnsecure = options.allowUnsecureCommands;
    this.#log = log;
  }

  setOutput(command: WorkflowCommand): void {
    this.#log.warnOnce(deprecated("set-output"));
    const name = requiredName("set-output", command);
    this.#count(`set-output ${name}`, command.data);
    this.#effects.setOutput(name, command.data);
    this.#log.debug(`Set output ${name} = ${command.data}`);
  }

  saveState(command: WorkflowCommand): void {
    this.#log.warnOnce(deprecated("save-state"));
    const name = requiredName("save-state", command);
    this.#count(`save-state ${name}`, command.data);
    this.#effects.saveState(name, command.data);
    this.#log.debug(`Save intra-action state ${name} = ${command.data}`);
  }

  setEnv(command: WorkflowCommand): void {
    this.#checkUnsecure("set-env");
    const name = requiredName("set-env", command);
    if (isBlockedVariable(name)) {
      // An error in the log, but not a failed step: GitHub's way.
      return this.#log.issue(
        "error",
        `Can't update ${name.toUpperCase()} environment variable using ::set-env:: command.`,
      );
    }
    this.#count(`set-env ${name}`, command.data);
    this.#effects.setEnv(name, command.data);
    return this.#log.debug(`${name}='${command.data}'`);
  }

  addPath(path: string): void {
    this.#checkUnsecure("add-path");
    if (path === "") throw new CommandProblem("Value cannot be null or empty. (Parameter 'path')");
    this.#count(`add-path ${path}`, path);
    this.#effects.addPath(path);
  }

  #checkUnsecure(name: string): void {
    if (!this.#allowUnsecure()) {
      throw new CommandProblem(
        `The \`${name}\` command is disabled. Please upgrade to using Environment Files or opt into unsecure command execution by setting the \`ACTIONS_ALLOW_UNSECURE_COMMANDS\` environment variable to \`true\`. For more information see: https://github.blog/changelog/2020-10-01-github-actions-deprecating-set-env-and-add-path-commands/`,
      );
    }
    this.#log.warnOnce(
      `The \`${name}\` command was obeyed because \`ACTIONS_ALLOW_UNSECURE_COMMANDS\` is \`true\`: whatever text this step prints can change the environment of the steps after it.`,
    );
  }

  /** A setting made twice counts once, with its last size. */
  #count(key: string, value: string): void {
    const characters = this.#characters - (this.#sizes.get(key) ?? 0) + value.length;
    const count = this.#sizes.size + (this.#sizes.has(key) ? 0 : 1);
    if (count > MAX_SETTINGS || characters > MAX_SETTINGS_CHARACTERS) {
      throw new CommandProblem(
        `A step may set ${MAX_SETTINGS} values of ${MAX_SETTINGS_CHARACTERS} characters together by commands.`,
      );
    }
    this.#sizes.set(key, value.length);
    this.#characters = characters;
  }
}

function requiredName(command: string, { properties }: WorkflowCommand): string {
  const name = properties.get("name");
  if (name === undefined) throw new CommandProblem(`Required field 'name' is missing in ##[${command}] command.`);
  return name;
}

function deprecated(command: string): string {
  return `The \`${command}\` command is deprecated and will be disabled soon. Please upgrade to using Environment Files. For more information see: https://github.blog/changelog/2022-10-11-github-actions-deprecating-save-state-and-set-output-commands/`;
}
