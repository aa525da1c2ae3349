/**
 * Completion scripts for bash, zsh and fish, made from the program's own definitions, so that they cannot fall behind them.
 * Completing never starts Hearth: ids of runs are the names in the state directory, those of jobs are read from the workflow
 * files by awk. Both are somebody else's text: only plain names are taken, and no shell expands them.
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
  readonly argument: Argument;
}

/** What stands after the options: a file or directory, a workflow among them, the id of a run, or nothing one could offer. */
type Argument = "path" | "workflow" | "run" | "other";

interface OptionDescription {
  /** `--job`, `-h`. */
  readonly flags: readonly string[];
  readonly description: string;
  readonly value: Value;
  /** The value may be left out, so that what follows may as well be the next word. */
  readonly optional: boolean;
}

type Value = "none" | "path" | "text" | "run" | "job" | readonly string[];

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
        value: option.argChoices ?? (option.isBoolean() ? "none" : valueKind(option.flags)),
        optional: option.optional,
      })),
    choices: [...children, ...(argument?.argChoices ?? []).map((word) => ({ word, description: "" }))],
    argument: argumentKind(argument?.name() ?? ""),
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

function argumentKind(name: string): Argument {
  if (name === "run") return "run";
  if (/workflow/.test(name)) return "workflow";
  return /directory|definition|path/.test(name) ? "path" : "other";
}

function valueKind(flags: string): Value {
  if (/--job /.test(flags)) return "job";
  if (/\[format\]/.test(flags)) return ["text", "svg"];
  if (/\[run\]/.test(flags)) return "run";
  if (!/[<[]/.test(flags)) return "none";
  return /<(file|path|directory|dir|payload\.json)>/.test(flags) ? "path" : "text";
}

/** Job ids: the keys one level below `jobs:`. It has no single quote and no backslash, so every shell takes it as it is. */
const jobsProgram =
  "FNR==1{j=0} /^jobs:/{j=1;w=-1;next} j&&/^[^ #]/{j=0} " +
  'j&&/^ +[A-Za-z_][A-Za-z0-9_-]*:/{n=match($0,/[^ ]/)-1;if(w<0)w=n;if(n==w){s=substr($0,n+1);sub(/:.*/,"",s);print s}}';
const stateDirectory = '"${HEARTH_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/hearth}"';

/** Finds which command the words before the cursor name, then offers its words, its options or the value of an option. */
function bashScript(commands: readonly CommandDescription[]): string {
  const cases = commands.map(({ words, options, choices, argument }) => {
    const values = options
      .filter(({ value }) => value !== "none")
      .map(
        ({ flags, value, optional }) =>
          `        ${flags.join("|")}) ${bashValue(value)}${optional ? "" : "; return"} ;;`,
      );
    const offered = [...choices.map(({ word }) => word), ...options.flatMap(({ flags }) => flags)].join(" ");
    return [
      `    ${quote(words.join(" "))})`,
      ...(values.length === 0 ? [] : [`      case "$previous" in`, ...values, "      esac"]),
      `      COMPREPLY+=($(compgen -W ${quote(offered)} -- "$current"))`,
      ...bashArgument(argument),
      "      ;;",
    ].join("\n");
  });
  return `# bash completion for hearth
_hearth_runs() { ls -r ${stateDirectory}/runs 2>/dev/null; }
_hearth_jobs() { awk '${jobsProgram}' .github/workflows/*.y*ml 2>/dev/null; }
_hearth_workflows() { printf '%s\\n' .github/workflows/*.y*ml; }
# compgen -W would expand what it is given, and these are names that somebody else has chosen.
_hearth_offer() {
  local name
  while IFS= read -r name; do
    [[ $name =~ ^[A-Za-z0-9_./-]+$ && $name == "$current"* ]] && COMPREPLY+=("$name")
  done
}
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

function bashValue(value: Value): string {
  if (value === "path") return `COMPREPLY=($(compgen -f -- "$current"))`;
  if (value === "run" || value === "job") return `_hearth_offer < <(_hearth_${value}s)`;
  if (typeof value === "string") return "COMPREPLY=()";
  return `COMPREPLY=($(compgen -W ${quote(value.join(" "))} -- "$current"))`;
}

function bashArgument(argument: Argument): string[] {
  const files = `[[ $current == -* ]] || COMPREPLY+=($(compgen -f -- "$current"))`;
  switch (argument) {
    case "path":
      return [`      ${files}`];
    case "workflow":
      return ["      _hearth_offer < <(_hearth_workflows)", `      ${files}`];
    case "run":
      return ["      _hearth_offer < <(_hearth_runs)"];
    case "other":
      return [];
    default:
      return unreachable(argument);
  }
}

function commandWords(commands: readonly CommandDescription[]): string {
  return commands
    .map(({ words }) => words.join("/"))
    .filter((words) => words !== "")
    .join(" ");
}

function zshScript(commands: readonly CommandDescription[]): string {
  const functions = commands.map((command) => {
    const specs = command.options.flatMap(({ flags, description, value, optional }) =>
      flags.map((flag) => quote(`*${flag}[${zshText(description)}]${optional ? ":" : ""}${zshValue(value)}`)),
    );
    const { choices } = command;
    const children = choices.map(({ word, description }) => quote(`${word}:${zshText(description)}`)).join(" ");
    const branches = choices
      .filter(({ word }) => commands.some(({ words }) => words.join(" ") === [...command.words, word].join(" ")))
      .map(({ word }) => `      ${word}) ${zshName([...command.words, word])} ;;`);
    const rest = [
      ...(choices.length > 0 ? [quote("1: :->word")] : []),
      ...(branches.length > 0 ? [quote("*:: :->rest")] : []),
      ...zshArgument(command.argument),
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
_hearth_runs() { compadd -- \${(f)"$(ls -r ${stateDirectory}/runs 2>/dev/null)"}; }
_hearth_jobs() { compadd -- \${(f)"$(awk '${jobsProgram}' .github/workflows/*.y*ml(N) /dev/null 2>/dev/null)"}; }
_hearth_workflows() { compadd -- .github/workflows/*.y*ml(N); _files; }
${functions.join("\n")}
if [ "$funcstack[1]" = "_hearth" ]; then _hearth "$@"; else compdef _hearth hearth; fi
`;
}

function zshName(words: readonly string[]): string {
  return ["_hearth", ...words].join("_");
}

function zshArgument(argument: Argument): string[] {
  if (argument === "other") return [];
  return [quote(`1: :${argument === "path" ? "_files" : `_hearth_${argument}s`}`)];
}

function zshValue(value: Value): string {
  if (value === "none") return "";
  if (value === "path") return ":file:_files";
  if (value === "run" || value === "job") return `:${value}:_hearth_${value}s`;
  return typeof value === "string" ? ":value: " : `:value:(${value.join(" ")})`;
}

function zshText(text: string): string {
  return text.replaceAll(/[[\]:]/g, "\\$&");
}

function fishScript(commands: readonly CommandDescription[]): string {
  const lines = commands.flatMap(({ words, options, choices, argument }) => {
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
      ...fishArgument(argument).map((offer) => `complete -c hearth -n ${quote(condition)} ${offer}`),
    ];
  });
  return `# fish completion for hearth
function __hearth_runs; ls -r (string join "" -- (sh -c 'echo ${stateDirectory}') /runs) 2>/dev/null; end
function __hearth_jobs; set -l files .github/workflows/*.yml .github/workflows/*.yaml; awk '${jobsProgram}' $files /dev/null 2>/dev/null; end
function __hearth_workflows; set -l files .github/workflows/*.yml .github/workflows/*.yaml; string join \\n -- $files; end
complete -c hearth -f
${lines.join("\n")}
`;
}

function fishArgument(argument: Argument): string[] {
  switch (argument) {
    case "path":
      return ["-F"];
    case "workflow":
      return ["-a '(__hearth_workflows)'", "-F"];
    case "run":
      return ["-a '(__hearth_runs)'"];
    case "other":
      return [];
    default:
      return unreachable(argument);
  }
}

/** fish knows no optional values: offered as if they were required. */
function fishValue(value: Value): string {
  if (value === "none") return "";
  if (value === "path") return "-r -F ";
  if (value === "run" || value === "job") return `-x -a '(__hearth_${value}s)' `;
  return typeof value === "string" ? "-x " : `-x -a ${quote(value.join(" "))} `;
}

/** bash, zsh and fish agree on this much: inside single quotes everything stands for itself. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}
