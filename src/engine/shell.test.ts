import { describe, expect, it } from "vitest";
import { logPreamble, resolveShell } from "./shell.ts";
import type { Shell } from "./shell.ts";

function argvOf(shell: string | undefined, path = "/t/s.sh"): readonly string[] {
  return found(resolveShell(shell)).argv(path);
}

function found(shell: Shell): Extract<Shell, { kind: "shell" }> {
  if (shell.kind === "refused") throw new Error(shell.message);
  return shell;
}

/** ACTIONS-CONTRACT §3.1. */
describe("resolveShell", () => {
  it.each([
    ["nothing: bash without pipefail", undefined, ["bash", "-e", "/t/s.sh"]],
    ["an empty text: the same", "", ["bash", "-e", "/t/s.sh"]],
    ["bash", "bash", ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "/t/s.sh"]],
    ["sh", "sh", ["sh", "-e", "/t/s.sh"]],
    ["python", "python", ["python", "/t/s.sh"]],
    ["pwsh", "pwsh", ["pwsh", "-command", ". '/t/s.sh'"]],
    [
      "a name in another case, started as it is spelled",
      "BASH",
      ["BASH", "--noprofile", "--norc", "-e", "-o", "pipefail", "/t/s.sh"],
    ],
    ["a custom shell", "perl -w {0} --more", ["perl", "-w", "/t/s.sh", "--more"]],
    ["a built-in with arguments of its own", "bash -x {0}", ["bash", "-x", "/t/s.sh"]],
    [
      "a built-in with blanks behind it",
      "bash  ",
      ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "/t/s.sh"],
    ],
    ["a path to a program", "/opt/my/bash {0}", ["/opt/my/bash", "/t/s.sh"]],
    ["the script twice, inside a word", "x a{0}b {0}", ["x", "a/t/s.shb", "/t/s.sh"]],
    ["doubled braces", "awk {{print}} {0} {{{0}}}", ["awk", "{print}", "/t/s.sh", "{/t/s.sh}"]],
    ["padding", "x {0} [{0,10}] [{0,-10}] {0:x}", ["x", "/t/s.sh", "[", "/t/s.sh]", "[/t/s.sh", "]", "/t/s.sh"]],
    ["quotes", `x "a b" '{0} c' d"e f"g "h""i" ""`, ["x", "a b", "'/t/s.sh", "c'", "de fg", `h"i`, ""]],
    [
      "backslashes",
      String.raw`x a\b \"c\" "d\\" e\\"f {0}"`,
      ["x", String.raw`a\b`, `"c"`, "d\\", String.raw`e\f /t/s.sh`],
    ],
    ["tabs", "x\t-a {0}", ["x\t-a", "/t/s.sh"]],
  ])("%s", (_, shell, argv) => {
    expect(argvOf(shell)).toEqual(argv);
  });

  it("falls back to sh where no shell was asked for, and nowhere else", () => {
    expect([undefined, "", "bash", "pwsh"].map((shell) => found(resolveShell(shell)).fallback)).toEqual([
      "sh",
      "sh",
      undefined,
      undefined,
    ]);
  });

  it("keeps a script's path whole, whatever is in it: GitHub's runner has no such paths, a person's host may", () => {
    for (const path of ["/tmp/a b.sh", '/tmp/a"b.sh', "/tmp/{0} $&.sh"]) {
      expect(argvOf("x {0}", path)).toEqual(["x", path]);
      expect(argvOf('x "{0}" y', path)).toEqual(["x", path, "y"]);
    }
  });

  it.each([
    ["a name that is no built-in and has no {0}", "perl", /^Invalid shell option\. Shell must be a valid built-in/],
    ["arguments without {0}", "bash -x", /^Invalid shell option\./],
    ["a leading blank", " bash", /^Invalid shell option\./],
    ["doubled braces only: the script would not run", "x {{0}}", /^Invalid shell option\./],
    ["a single brace", "awk {print} {0}", /not in a correct format/],
    ["an argument that is not there", "x {0} {1}", /not in a correct format/],
    ["an open brace", "x {0} {", /not in a correct format/],
    ["a closing brace", "x {0} }", /not in a correct format/],
    ["cmd", "cmd", /^cmd: command not found$/],
    ["powershell", "PowerShell", /^PowerShell: command not found$/],
    ["powershell with arguments", "powershell -File {0}", /^powershell: command not found$/],
  ])("refuses %s", (_, shell, message) => {
    expect(resolveShell(shell)).toEqual({ kind: "refused", message: expect.stringMatching(message) });
  });

  it.each([
    [undefined, ".sh", "x\n"],
    ["bash", ".sh", "x\n"],
    ["Sh", ".sh", "x\n"],
    ["python", ".py", "x\n"],
    ["perl {0}", "", "x\n"],
    [
      "pwsh",
      ".ps1",
      "$ErrorActionPreference = 'stop'\nx\n\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }",
    ],
    [
      "pwsh -File {0}",
      ".ps1",
      "$ErrorActionPreference = 'stop'\nx\n\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }",
    ],
  ])("names and prepares the script for %s", (shell, extension, text) => {
    const resolved = found(resolveShell(shell));
    expect(resolved.extension).toBe(extension);
    expect(resolved.prepare("x\n")).toBe(text);
  });

  it.each([
    [undefined, "bash -e {0}"],
    ["bash", "bash --noprofile --norc -e -o pipefail {0}"],
    ["perl  -w {0}", "perl -w {0}"],
  ])("shows %s as %s", (shell, display) => {
    expect(found(resolveShell(shell)).display).toBe(display);
  });
});

describe("logPreamble", () => {
  it("shows the first line as title, the script in cyan, the shell and the environment", () => {
    expect(preamble("\n  echo a\r\necho b\n\n", { A: "1", B: "" })).toEqual([
      "<Run echo a>",
      "\u001b[36;1m\u001b[0m",
      "\u001b[36;1m  echo a\u001b[0m",
      "\u001b[36;1mecho b\u001b[0m",
      "shell: bash -e {0}",
      "env:",
      "  A: 1",
      "  B: ",
      "<end>",
    ]);
  });

  it("leaves out an empty environment", () => {
    expect(preamble("x")).toEqual(["<Run x>", "\u001b[36;1mx\u001b[0m", "shell: bash -e {0}", "<end>"]);
  });
});

function preamble(script: string, env: Record<string, string> = {}): string[] {
  const lines: string[] = [];
  const log = {
    group: (title: string) => void lines.push(`<${title}>`),
    line: (text: string) => void lines.push(text),
    groupEnd: () => void lines.push("<end>"),
  };
  logPreamble(log, { script, shell: "bash -e {0}", env });
  return lines;
}
