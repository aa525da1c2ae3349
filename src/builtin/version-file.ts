/** Versions from the files that setup actions read: each action's own kinds of file. Texts in, versions out. */
import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";

/** Relative to the workspace. Throws when it is not there, in the words of the actions. */
export function readVersionFile(path: string, tool: string): { readonly name: string; readonly text: string } {
  const file = resolve(process.env["GITHUB_WORKSPACE"] ?? "", path);
  try {
    return { name: basename(file), text: readFileSync(file, "utf8") };
  } catch {
    throw new Error(`The specified ${tool} version file at: ${file} does not exist`);
  }
}

/** `.nvmrc`, `.node-version`, `.tool-versions`, `package.json` (devEngines, engines, volta). */
export function nodeVersionIn(name: string, text: string): string | undefined {
  if (name === "package.json" || text.trimStart().startsWith("{")) return nodeVersionInManifest(text);
  const line = /^(?:node(?:js)?\s+)?v?(?<version>[^\s#]+)/mu.exec(text.replaceAll(/^\s*#.*$/gmu, "").trim());
  return line?.groups?.["version"];
}

function nodeVersionInManifest(text: string): string | undefined {
  const manifest: unknown = JSON.parse(text);
  const runtimes = [member(manifest, "devEngines", "runtime")].flat();
  const runtime = runtimes.find((one) => member(one, "name") === "node");
  const found = [member(manifest, "volta", "node"), member(runtime, "version"), member(manifest, "engines", "node")];
  return found.find((version) => typeof version === "string");
}

export function member(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => {
    return typeof at === "object" && at !== null && key in at
      ? Object.entries(at).find(([name]) => name === key)?.[1]
      : undefined;
  }, value);
}

/** `.python-version`, `.tool-versions`, `pyproject.toml`, `Pipfile`. */
export function pythonVersionIn(name: string, text: string): string | undefined {
  if (name.endsWith(".toml"))
    return /^\s*(?:requires-python|python)\s*=\s*["'](?<version>[^"']+)["']/mu.exec(text)?.groups?.["version"];
  if (name === "Pipfile")
    return /^\s*python_(?:full_)?version\s*=\s*["'](?<version>[^"']+)["']/mu.exec(text)?.groups?.["version"];
  if (name === ".tool-versions") return /^python\s+(?<version>\S+)/mu.exec(text)?.groups?.["version"];
  return text
    .split("\n")
    .map((line) => line.trim())
    .find((line) => line !== "" && !line.startsWith("#"));
}

/** `go.mod` and `go.work` (toolchain before go), `.go-version`, `.tool-versions`. */
export function goVersionIn(name: string, text: string): string | undefined {
  if (name === "go.mod" || name === "go.work") {
    const toolchain = /^toolchain go(?<version>1\.\d+(?:\.\d+|rc\d+)?)/mu.exec(text)?.groups?.["version"];
    return toolchain ?? /^go (?<version>\d+(?:\.\d+)*)/mu.exec(text)?.groups?.["version"];
  }
  if (name === ".tool-versions") return /^golang\s+(?<version>[^\s#]+)/mu.exec(text)?.groups?.["version"];
  return text.trim().replace(/^go/u, "") || undefined;
}
