/**
 * Completion scripts for bash, zsh and fish, made from the program's own definitions, so that they cannot fall behind them.
 * Static: completing never starts Hearth.
 */
import type { Command } from "commander";
import { unreachable } from "../lib/unreachable.ts";

export interface CommandDescription {
  /** Words after `hearth`: `run`, `image build`. */
  readonly words: readonly string[];
  readonly description: string;
  readonly options: readonly OptionDescription[];
  /** What may stand after it: subcommands, or an argument's choices. */
  readonly choices: readonly { readonly word: string; readonly description: string }[];
  /** An argument that is a path. */
  readonly takesPath: boolean;
}

interface OptionDescription {
  /** `--job`, `-h`. */
  readonly flags: readonly string[];
  readonly description: string;
  readonly value: "none" | "path" | "text" | readonly string[];
}

/** The program itself first, then its commands in their order. */
export function describeProgram(command: Command, words: readonly string[] = []): CommandDescription[] {
  const [argument] = command.registeredArguments;
  const children = command.commands.map((child) => ({ word: child.name(), description: child.description() }));
  const described: CommandDescription = {
    words,
    description: command.description(),
    options: command
      .createHelp()
      .visibleOptions(command)
      .map((option) => ({
        flags: [option.long, option.short].filter((flag) => typeof flag === "string"),
        description: option.description,
        value: option.argChoices ?? (option.isBoolean() || !option.required ? "none" : valueKind(option.flags)),
      })),
    choices: [...children, ...(argument?.argChoices ?? []).map((word) => ({ word, description: "" }))],
    takesPath: argument !== undefined && /directory|definition/.test(argument.name()),
  };
  return [described, ...command.commands.flatMap((child) => describeProgram(child, [...words, child.name()]))];
}

export function completionScript(shell: "bash" | "zsh" | "fish", commands: readonly CommandDescription[]): string {
  switch (shell) {
    case "bash":
      return bashScript(commands);
    case "zsh":
      return zshScript(commands);
    case "fish":
      return fishScript(commands);
    default:
      return unreachable(shell);
  }
}

function valueKind(flags: string): "path" | "text" {
  return /<(file|path|directory|payload\.json)>/.test(flags) ? "path" : "text";
}

/** Finds which command the words before the cursor name, then offers its words, its options or the value of an option. */
function bashScript(commands: readonly CommandDescription[]): string {
  const cases = commands.map(({ words, options, choices, takesPath }) => {
    const values = options
      .filter(({ value }) => value !== "none")
      .map(({ flags, value }) => `        ${flags.join("|")}) ${bashValue(value)}; return ;;`);
    const offered = [...choices.map(({ word }) => word), ...options.flatMap(({ flags }) => flags)].join(" ");
    return [
      `    ${quote(words.join(" "))})`,
      ...(values.length === 0 ? [] : [`      case "$previous" in`, ...values, "      esac"]),
      `      COMPREPLY=($(compgen -W ${quote(offered)} -- "$current"))`,
      ...(takesPath ? [`      [[ $current == -* ]] || COMPREPLY+=($(compgen -f -- "$current"))`] : []),
      "      ;;",
    ].join("\n");
  });
  return `# bash completion for hearth
_hearth() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" command="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case " ${commandWords(commands)} " in *" \${command:+$command/}$word "*) command="\${command:+$command/}$word" ;; esac
  done
  COMPREPLY=()
  case "\${command//\\// }" in
${cases.join("\n")}
  esac
}
complete -o filenames -F _hearth hearth
`;
}

function bashValue(value: OptionDescription["value"]): string {
  if (value === "path") return `COMPREPLY=($(compgen -f -- "$current"))`;
  if (typeof value === "string") return "COMPREPLY=()";
  return `COMPREPLY=($(compgen -W ${quote(value.join(" "))} -- "$current"))`;
}

function commandWords(commands: readonly CommandDescription[]): string {
  return commands
    .map(({ words }) => words.join("/"))
    .filter((words) => words !== "")
    .join(" ");
}

function zshScript(commands: readonly CommandDescription[]): string {
  const functions = commands.map((command) => {
    const specs = command.options.flatMap(({ flags, description, value }) =>
      flags.map((flag) => quote(`*${flag}[${zshText(description)}]${zshValue(value)}`)),
    );
    const { choices } = command;
    const children = choices.map(({ word, description }) => quote(`${word}:${zshText(description)}`)).join(" ");
    const branches = choices
      .filter(({ word }) => commands.some(({ words }) => words.join(" ") === [...command.words, word].join(" ")))
      .map(({ word }) => `      ${word}) ${zshName([...command.words, word])} ;;`);
    const rest = [
      ...(choices.length > 0 ? [quote("1: :->word")] : []),
      ...(branches.length > 0 ? [quote("*:: :->rest")] : []),
      ...(command.takesPath ? [quote("1: :_files")] : []),
    ];
    return `${zshName(command.words)}() {
  local state line
  _arguments -C ${[...specs, ...rest].join(" \\\n    ")}
  case "$state" in
    word) local -a words=(${children}); _describe 'command' words ;;
    rest) case "$line[1]" in
${branches.join("\n")}
    esac ;;
  esac
}`;
  });
  return `#compdef hearth
${functions.join("\n")}
if [ "$funcstack[1]" = "_hearth" ]; then _hearth "$@"; else compdef _hearth hearth; fi
`;
}

function zshName(words: readonly string[]): string {
  return ["_hearth", ...words].join("_");
}

function zshValue(value: OptionDescription["value"]): string {
  if (value === "none") return "";
  if (value === "path") return ":file:_files";
  return value === "text" ? ":value: " : `:value:(${value.join(" ")})`;
}

function zshText(text: string): string {
  return text.replaceAll(/[[\]:]/g, "\\$&");
}

function fishScript(commands: readonly CommandDescription[]): string {
  const lines = commands.flatMap(({ words, options, choices, takesPath }) => {
    const [first] = words;
    const children = choices.map(({ word }) => word).join(" ");
    const condition =
      first === undefined
        ? "__fish_use_subcommand"
        : words.map((word) => `__fish_seen_subcommand_from ${word}`).join("; and ");
    const nothingYet =
      children === "" || first === undefined ? "" : `; and not __fish_seen_subcommand_from ${children}`;
    return [
      ...choices.map(
        ({ word, description }) =>
          `complete -c hearth -n ${quote(condition + nothingYet)} -a ${word} -d ${quote(description)}`,
      ),
      ...options.map(({ flags, description, value }) => {
        const names = flags
          .map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
          .join(" ");
        return `complete -c hearth -n ${quote(condition)} ${names} ${fishValue(value)}-d ${quote(description)}`;
      }),
      ...(takesPath ? [`complete -c hearth -n ${quote(condition)} -F`] : []),
    ];
  });
  return `# fish completion for hearth\ncomplete -c hearth -f\n${lines.join("\n")}\n`;
}

function fishValue(value: OptionDescription["value"]): string {
  if (value === "none") return "";
  if (value === "path") return "-r -F ";
  return value === "text" ? "-x " : `-x -a ${quote(value.join(" "))} `;
}

/** bash, zsh and fish agree on this much: inside single quotes everything stands for itself. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}
