/** `actions/setup-python` over the machine's tool cache. Source: github.com/actions/setup-python, README and action.yml. */
import { existsSync, readFileSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import {
  addPath,
  exportVariable,
  getBooleanInput,
  getInput,
  getMultilineInput,
  info,
  setOutput,
  warning,
} from "@actions/core";
import { hashFiles } from "@actions/glob";
import { failWith } from "../fail-with.ts";
import { findTool, warnOffline } from "../find-tool.ts";
import type { FoundTool } from "../find-tool.ts";
import { outputOf, runProgram } from "../output-of.ts";
import { restoreFiles } from "../tool-files-cache.ts";
import { pythonVersionIn, readVersionFile } from "../version-file.ts";

void failWith(async () => {
  if (getBooleanInput("check-latest")) warnOffline("check-latest");
  let last: FoundTool | undefined;
  for (const asked of askedVersions()) {
    last = setUp(asked);
    info(`Successfully set up CPython (${last.version})`);
  }
  if (last !== undefined) await installPackages(join(last.directory, "bin/python3"));
  const manager = getInput("cache");
  if (manager !== "" && last !== undefined) await restorePackages(manager, last);
});

async function installPackages(python: string): Promise<void> {
  const pip = getInput("pip-version");
  if (pip !== "") await runProgram(python, "-m", "pip", "install", "--upgrade", `pip==${pip}`);
  const packages = getInput("pip-install").split(/\s+/u).filter(Boolean);
  if (packages.length > 0) await runProgram(python, "-m", "pip", "install", ...packages);
}

function askedVersions(): readonly string[] {
  const versions = getMultilineInput("python-version").filter((version) => version !== "");
  const file = getInput("python-version-file");
  if (versions.length > 0) {
    if (file !== "")
      warning("Both python-version and python-version-file inputs are specified, only python-version will be used.");
    return versions;
  }
  if (file === "" && !existsSync(".python-version")) {
    warning("The `python-version` input is not set.  The version of Python currently in `PATH` will be used.");
    return [];
  }
  const own = file === "" ? ".python-version" : file;
  const { name, text } = readVersionFile(own, "python");
  const version = pythonVersionIn(name, text);
  if (version === undefined) throw new Error(`No supported version was found in file ${own}`);
  return [version];
}

function setUp(asked: string): FoundTool {
  // Python writes ranges with commas, and `3.x` as npm does.
  const found = findTool({
    tool: "Python",
    range: asked.replaceAll(",", " "),
    asked,
    architecture: getInput("architecture"),
  });
  const { version, directory } = found;
  const program = join(directory, "bin/python");
  if (getBooleanInput("update-environment")) {
    exportVariable("pythonLocation", directory);
    exportVariable("PKG_CONFIG_PATH", join(directory, "lib/pkgconfig"));
    for (const name of ["Python_ROOT_DIR", "Python2_ROOT_DIR", "Python3_ROOT_DIR"]) exportVariable(name, directory);
    const libraries = process.env["LD_LIBRARY_PATH"] ?? "";
    const own = join(directory, "lib");
    if (!libraries.split(":").includes(own))
      exportVariable("LD_LIBRARY_PATH", libraries === "" ? own : `${own}:${libraries}`);
    addPath(directory);
    addPath(join(directory, "bin"));
  }
  setOutput("python-version", version);
  setOutput("python-path", program);
  return found;
}

const DEPENDENCIES: Readonly<Record<string, string>> = {
  pip: "**/requirements.txt",
  pipenv: "**/Pipfile.lock",
  poetry: "**/poetry.lock",
};

async function restorePackages(manager: string, { version, directory }: FoundTool): Promise<void> {
  const usual = Object.hasOwn(DEPENDENCIES, manager) ? DEPENDENCIES[manager] : undefined;
  if (usual === undefined) throw new Error(`Caching for '${manager}' is not supported`);
  const paths = await cacheDirectories(manager, directory);
  if (paths.some((path) => path === undefined || path === ""))
    throw new Error(`Could not get cache folder path for ${manager}`);
  const prefix = `setup-python-${process.env["RUNNER_OS"]}-${arch()}${systemOf()}-python-${version}-${manager}`;
  const named = getInput("cache-dependency-path") || usual;
  const dependencies = manager === "pip" && (await hashFiles(named)) === "" ? "**/pyproject.toml" : named;
  await restoreFiles({
    name: manager,
    paths: paths.filter((path) => path !== undefined),
    dependencies,
    key: (hash) => `${prefix}-${hash}`,
    restoreKeys: manager === "pip" ? [prefix] : [],
    hit: "exact",
  });
}

/** As `-12-Debian`: what was built on one system need not run on another. */
function systemOf(): string {
  try {
    const text = readFileSync("/etc/os-release", "utf8");
    const { version } = /^VERSION_ID="?(?<version>[^"\n]+)/mu.exec(text)?.groups ?? {};
    const { first = "", rest = "" } = /^ID="?(?<first>.)(?<rest>[^"\n]*)/mu.exec(text)?.groups ?? {};
    return version === undefined ? "" : `-${version}-${first.toUpperCase()}${rest}`;
  } catch {
    // Not every system has the file.
    return "";
  }
}

async function cacheDirectories(manager: string, directory: string): Promise<readonly (string | undefined)[]> {
  const home = process.env["HOME"] ?? "";
  if (manager === "pip") return [await outputOf(join(directory, "bin/python3"), "-m", "pip", "cache", "dir")];
  if (manager === "pipenv") return [join(home, ".local/share/virtualenvs")];
  return [await outputOf("poetry", "config", "virtualenvs.path")];
}
