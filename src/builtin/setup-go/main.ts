/** `actions/setup-go` over the machine's tool cache. Source: github.com/actions/setup-go, README and action.yml. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { arch } from "node:os";
import { join } from "node:path";
import {
  addPath,
  endGroup,
  exportVariable,
  getBooleanInput,
  getInput,
  info,
  setOutput,
  startGroup,
  warning,
} from "@actions/core";
import { findAllVersions } from "@actions/tool-cache";
import { failWith } from "../fail-with.ts";
import { findTool, warnOffline } from "../find-tool.ts";
import { majorVersion } from "../major-version.ts";
import { outputOf } from "../output-of.ts";
import { restoreFiles } from "../tool-files-cache.ts";
import { goVersionIn, readVersionFile } from "../version-file.ts";

void failWith(async () => {
  const asked = askedVersion();
  // The version that was asked for runs, whatever a go.mod would like to fetch.
  exportVariable("GOTOOLCHAIN", "local");
  if (getBooleanInput("check-latest")) warnOffline("check-latest");
  info(`Setup go version spec ${asked}`);
  if (asked === "") {
    info("[warning]go-version input was not specified. The action will try to use pre-installed version.");
  } else addToPath(asked);
  const said = await outputOf("go", "version");
  const version = said?.split(" ")[2]?.slice("go".length);
  if (said === undefined || version === undefined) throw new Error("This machine has no go that runs");
  const path = await outputOf("go", "env", "GOPATH");
  if (path !== undefined && path !== "") {
    await mkdir(join(path, "bin"), { recursive: true });
    addPath(join(path, "bin"));
  }
  await restoreModules(version);
  info(said);
  setOutput("go-version", version);
  startGroup("go env");
  info((await outputOf("go", "env")) ?? "");
  endGroup();
});

function addToPath(asked: string): void {
  const architecture = getInput("architecture");
  const { directory } = findTool({ tool: "go", range: rangeOf(asked, architecture), asked, architecture });
  info(`Found in cache @ ${directory}`);
  addPath(join(directory, "bin"));
  info("Added go to the path");
  info(`Successfully set up Go version ${asked}`);
}

function askedVersion(): string {
  const version = getInput("go-version");
  const file = getInput("go-version-file");
  if (version !== "" && file !== "")
    warning("Both go-version and go-version-file inputs are specified, only go-version will be used");
  if (version !== "") return version;
  if (file === "") return "";
  const { name, text } = readVersionFile(file, "go");
  return goVersionIn(name, text) ?? "";
}

/** `stable` is the newest minor version, `oldstable` the one before. */
function rangeOf(asked: string, architecture: string): string {
  if (asked === "stable") return "*";
  if (asked !== "oldstable") return asked;
  const minors = findAllVersions("go", architecture || arch()).map((version) => Number(version.split(".")[1]));
  const [, before] = [...new Set(minors)].toSorted((a, b) => b - a);
  return before === undefined ? "oldstable is not in the tool cache" : `1.${before}`;
}

/** A cache that cannot be had is said, and fails nothing. */
async function restoreModules(version: string): Promise<void> {
  if (!getBooleanInput("cache")) return;
  const found = [await outputOf("go", "env", "GOMODCACHE"), await outputOf("go", "env", "GOCACHE")];
  const paths = found.filter((path) => path !== undefined && path !== "");
  const workspace = process.env["GITHUB_WORKSPACE"] ?? "";
  const usual = majorVersion() < 6 ? "go.sum" : "go.mod";
  try {
    const own = existsSync(join(workspace, usual)) ? join(workspace, usual) : "";
    const dependencies = getInput("cache-dependency-path") || own;
    if (dependencies === "") {
      throw new Error(`Dependencies file is not found in ${workspace}. Supported file pattern: ${usual}`);
    }
    const { RUNNER_OS: platform, ImageOS: image } = process.env;
    const prefix = `setup-go-${platform}-${arch()}-${image}-go-${version}`;
    await restoreFiles({
      name: "Go's",
      paths: paths.map(String),
      dependencies,
      key: (hash) => `${prefix}-${hash}`,
      hit: "any",
    });
  } catch (error) {
    warning(`Restore cache failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}
