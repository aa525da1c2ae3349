/**
 * The program of `action.yml`, which runs before and after the step that `hearth translate verify` looks at: files of the workspace,
 * variables and PATH, and the second time what has changed. Places that differ between machines have names.
 */
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Seen {
  readonly files: Readonly<Record<string, string>>;
  readonly variables: Readonly<Record<string, string>>;
  readonly path: readonly string[];
}

const env = process.env;
const workspace = env["GITHUB_WORKSPACE"] ?? process.cwd();
const kept = join(env["RUNNER_TEMP"] ?? "/tmp", "hearth-verify.json");
/** What belongs to a step, a shell or Hearth rather than to the job. */
const NOT_LOOKED_AT = /^(?:GITHUB_|RUNNER_|ACTIONS_|INPUT_|HEARTH_)|^(?:PATH|PWD|OLDPWD|SHLVL|_)$/u;
const MAX_CHANGED_FILES = 2_000;
const MAX_VALUE_CHARACTERS = 2_000;

const now = look();
if (existsSync(kept)) report(JSON.parse(readFileSync(kept, "utf8")));
else writeFileSync(kept, JSON.stringify(now));

function report(before: Seen): void {
  const files = Object.entries(changes(before.files, now.files)).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const path = now.path.filter((directory) => !before.path.includes(directory));
  const outputs: Record<string, unknown> = JSON.parse(env["INPUT_OUTPUTS"] ?? "{}");
  const said = {
    outcome: env["INPUT_OUTCOME"] ?? "",
    outputs: Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, short(placed(String(value)))])),
    variables: changes(before.variables, now.variables),
    path,
    files: Object.fromEntries(files.slice(0, MAX_CHANGED_FILES)),
    otherFiles: hash(JSON.stringify(files.slice(MAX_CHANGED_FILES))),
  };
  appendFileSync(env["GITHUB_OUTPUT"] ?? "", `report=${JSON.stringify(said)}\n`);
}

function look(): Seen {
  const files: Record<string, string> = {};
  walk("", files);
  const variables = Object.entries(env).flatMap(([name, value = ""]) =>
    NOT_LOOKED_AT.test(name) ? [] : [[name, short(placed(value))]],
  );
  return { files, variables: Object.fromEntries(variables), path: (env["PATH"] ?? "").split(":").map(placed) };
}

function walk(directory: string, files: Record<string, string>): void {
  for (const name of readdirSync(join(workspace, directory))) {
    const path = join(directory, name);
    if (path === ".git" || path === ".hearth-verify") continue;
    const status = lstatSync(join(workspace, path));
    if (status.isDirectory()) walk(path, files);
    else if (status.isSymbolicLink()) files[path] = `link to ${placed(readlinkSync(join(workspace, path)))}`;
    else if (status.isFile())
      files[path] = `${(status.mode & 0o777).toString(8)} ${hash(readFileSync(join(workspace, path)))}`;
    else files[path] = "neither a file nor a link";
  }
}

/** What is new or another, and `null` for what is gone. */
function changes(before: Seen["files"], after: Seen["files"]): Readonly<Record<string, string | null>> {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return Object.fromEntries(
    names.filter((name) => before[name] !== after[name]).map((name) => [name, after[name] ?? null]),
  );
}

function placed(text: string): string {
  let named = text;
  for (const name of ["RUNNER_TEMP", "RUNNER_TOOL_CACHE", "GITHUB_WORKSPACE", "HOME"]) {
    const place = env[name];
    if (place !== undefined && place.length > 1) named = named.replaceAll(place, `$${name}`);
  }
  return named;
}

function short(text: string): string {
  return text.length <= MAX_VALUE_CHARACTERS ? text : `${text.length} characters, ${hash(text)}`;
}

function hash(content: string | Buffer): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
