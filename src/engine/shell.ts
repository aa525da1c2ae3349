/**
 * Which program runs a `run` step, with which arguments, and what is done to its script (ACTIONS-CONTRACT §3.1, Linux hosts).
 * Pure. Behaviour and texts as GitHub's runner (`ScriptHandlerHelpers.cs`, `ScriptHandler.cs`): built-in names are looked up
 * whatever their case, but the program is started as it is spelled; a custom shell is split at its first space into a program
 * and a .NET format string whose result is split into arguments as .NET splits a command line.
 */

export type Shell =
  | {
      readonly kind: "shell";
      /** The program, to be looked up on the step's PATH, and its arguments. */
      readonly argv: (scriptPath: string) => readonly string[];
      /** Of the script file, with its dot; empty when the program is not one of the built-ins. */
      readonly extension: string;
      /** The text that the script file holds, from what the author wrote. */
      readonly prepare: (script: string) => string;
      /** For the log: `bash -e {0}`. */
      readonly display: string;
      /** The program to start with the same arguments where the machine does not have this one. */
      readonly fallback: "sh" | undefined;
    }
  | { readonly kind: "refused"; readonly message: string };

interface BuiltIn {
  readonly format: string;
  readonly extension: string;
}

const BUILT_INS: ReadonlyMap<string, BuiltIn> = new Map([
  ["bash", { format: "--noprofile --norc -e -o pipefail {0}", extension: ".sh" }],
  ["sh", { format: "-e {0}", extension: ".sh" }],
  ["python", { format: "{0}", extension: ".py" }],
  ["pwsh", { format: `-command ". '{0}'"`, extension: ".ps1" }],
  ["powershell", { format: `-command ". '{0}'"`, extension: ".ps1" }],
  ["cmd", { format: `/D /E:ON /V:OFF /S /C "CALL "{0}""`, extension: ".cmd" }],
]);

/** Windows has these; on Linux GitHub's runner does not find them. */
const WINDOWS_ONLY = new Set(["cmd", "powershell"]);

const INVALID_OPTION =
  "Invalid shell option. Shell must be a valid built-in (bash, sh, cmd, powershell, pwsh) or a format string containing '{0}'";

/** `shell` is the step's, else the defaults'; undefined or empty for the platform's own. */
export function resolveShell(shell: string | undefined): Shell {
  if (shell === undefined || shell === "") return shellOf("bash", "-e {0}", ".sh", "sh");
  const space = shell.indexOf(" ");
  const program = space === -1 ? shell : shell.slice(0, space);
  const given = space === -1 ? "" : shell.slice(space + 1).trimStart();
  if (program === "") return { kind: "refused", message: INVALID_OPTION };
  if (WINDOWS_ONLY.has(program.toLowerCase())) return { kind: "refused", message: `${program}: command not found` };
  const builtIn = BUILT_INS.get(program.toLowerCase());
  const format = given === "" ? (builtIn?.format ?? "") : given;
  return shellOf(program, format, builtIn?.extension ?? "");
}

function shellOf(program: string, format: string, extension: string, fallback?: "sh"): Shell {
  const probe = formatWith(format, "\0");
  if (probe === undefined) {
    return { kind: "refused", message: `Invalid shell option '${format}'. Input string was not in a correct format.` };
  }
  // Stricter than GitHub about `{{0}}`: a step whose script is not run must not succeed.
  if (!probe.includes("\0")) return { kind: "refused", message: INVALID_OPTION };
  return {
    kind: "shell",
    // Put in after the split: on the host a directory may have a blank in its name.
    argv: (scriptPath) => [program, ...splitArguments(probe).map((part) => part.replaceAll("\0", () => scriptPath))],
    extension,
    prepare: (script) => prepareScript(program, script),
    display: `${program} ${format}`,
    fallback,
  };
}

function prepareScript(program: string, script: string): string {
  if (program === "cmd") return `@echo off\n${script}`;
  if (program !== "pwsh" && program !== "powershell") return script;
  const exit = "if ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }";
  return `$ErrorActionPreference = 'stop'\n${script}\n${exit}`;
}

/** .NET's String.Format with one string argument: braces are doubled, `{0,8}` pads. Undefined when the format is not well-formed. */
function formatWith(format: string, argument: string): string | undefined {
  const parts: string[] = [];
  const token = /\{\{|\}\}|\{0 *(?:, *(-?\d{1,6}) *)?(?::[^{}]*)?\}|[^{}]+/y;
  while (token.lastIndex < format.length) {
    const match = token.exec(format);
    if (match === null) return undefined;
    const [text, width] = match;
    if (text === "{{" || text === "}}") parts.push(text.charAt(0));
    else if (text.startsWith("{")) parts.push(pad(argument, Number(width ?? 0)));
    else parts.push(text);
  }
  return parts.join("");
}

function pad(text: string, width: number): string {
  return width < 0 ? text.padEnd(-width) : text.padStart(width);
}

/**
 * As .NET does on Unix, after Windows' rules: blanks separate, double quotes group, a backslash is special only before a double
 * quote, two double quotes inside quotes are one. Single quotes mean nothing.
 */
function splitArguments(text: string): readonly string[] {
  const found: string[] = [];
  let index = 0;
  for (;;) {
    while (isBlank(text.charAt(index))) index++;
    if (index >= text.length) return found;
    const { argument, end } = readArgument(text, index);
    found.push(argument);
    index = end;
  }
}

function readArgument(text: string, start: number): { argument: string; end: number } {
  const quote = /(\\*)"/y;
  const plain = /\\+|[^]/y;
  let argument = "";
  let quoted = false;
  let index = start;
  while (index < text.length && (quoted || !isBlank(text.charAt(index)))) {
    quote.lastIndex = index;
    plain.lastIndex = index;
    const slashes = quote.exec(text)?.[1];
    if (slashes === undefined) {
      const [token = ""] = plain.exec(text) ?? [];
      argument += token;
      index += token.length;
      continue;
    }
    argument += slashes.slice(0, Math.floor(slashes.length / 2));
    index += slashes.length + 1;
    if (slashes.length % 2 === 1) argument += '"';
    else if (quoted && text.charAt(index) === '"') {
      argument += '"';
      index++;
    } else quoted = !quoted;
  }
  return { argument, end: index };
}

function isBlank(character: string): boolean {
  return character === " " || character === "\t";
}

/** The part of a step's log that the preamble needs. */
interface PreambleLog {
  group(title: string): void;
  line(text: string): void;
  groupEnd(): void;
}

/** What GitHub shows before a script runs, folded: the script in bright cyan, the shell, the step's environment. */
export function logPreamble(
  log: PreambleLog,
  step: { readonly script: string; readonly shell: string; readonly env: { readonly [name: string]: string } },
): void {
  const [first = ""] = step.script.replace(/^[ \t\r\n]+/, "").split(/[\r\n]/, 1);
  log.group(`Run ${first}`);
  for (const line of step.script.replaceAll("\r\n", "\n").replace(/\n+$/, "").split("\n")) {
    log.line(`\u001b[36;1m${line}\u001b[0m`);
  }
  log.line(`shell: ${step.shell}`);
  const env = Object.entries(step.env);
  if (env.length > 0) log.line("env:");
  for (const [name, value] of env) log.line(`  ${name}: ${value}`);
  log.groupEnd();
}
