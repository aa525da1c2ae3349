/** `actions/setup-node` over the machine's tool cache. Source: github.com/actions/setup-node, README and action.yml. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { arch, EOL } from "node:os";
import { join, resolve } from "node:path";
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
import { member, nodeVersionIn, readVersionFile } from "../version-file.ts";

void failWith(async () => {
  const asked = askedVersion();
  if (asked !== "") {
    const architecture = getInput("architecture");
    if (getBooleanInput("check-latest")) warnOffline("check-latest");
    const { version, directory } = findTool({ tool: "node", range: rangeOf(asked, architecture), asked, architecture });
    info(`Found in cache @ ${directory}`);
    addPath(join(directory, "bin"));
    setOutput("node-version", `v${version}`);
  }
  await printEnvironment(asked === "");
  const registry = getInput("registry-url");
  if (registry !== "") writeRegistry(registry);
  const manager = getInput("cache") || managerOfManifest();
  if (manager !== "") await restorePackages(manager);
});

function askedVersion(): string {
  const version = getInput("node-version").trim();
  const file = getInput("node-version-file");
  if (version !== "" && file !== "")
    warning("Both node-version and node-version-file inputs are specified, only node-version will be used");
  if (version !== "" || file === "") return version;
  const { name, text } = readVersionFile(file, "node");
  const found = nodeVersionIn(name, text);
  info(`Resolved ${file} as ${found}`);
  return found ?? "";
}

/** Aliases are of releases, and of those only the tool cache's are known: of an LTS line its even numbers. */
function rangeOf(asked: string, architecture: string): string {
  const alias = asked.toLowerCase();
  if (["latest", "node", "current", "*"].includes(alias)) return "*";
  if (!alias.startsWith("lts/")) return asked;
  const codename = alias.slice("lts/".length);
  if (codename !== "*") {
    const major = CODENAMES[codename];
    if (major === undefined) throw new Error(`Unable to find LTS release '${codename}' for Node version '${asked}'.`);
    return String(major);
  }
  const majors = findAllVersions("node", architecture || arch()).map((version) => Number.parseInt(version, 10));
  const even = majors.filter((major) => major % 2 === 0);
  return even.length === 0 ? "*" : String(Math.max(...even));
}

/** Source: github.com/nodejs/Release, CODENAMES. */
const CODENAMES: Readonly<Record<string, number>> = { gallium: 16, hydrogen: 18, iron: 20, jod: 22, krypton: 24 };

async function printEnvironment(required: boolean): Promise<void> {
  startGroup("Environment details");
  for (const program of ["node", "npm", "yarn"]) info(`${program}: ${(await outputOf(program, "--version")) ?? ""}`);
  endGroup();
  if (required && (await outputOf("node", "--version")) === undefined)
    warning("No version was asked for, and this machine has no node of its own");
}

/** So that `npm publish` finds the registry, with the token from NODE_AUTH_TOKEN. */
function writeRegistry(given: string): void {
  const file = resolve(process.env["RUNNER_TEMP"] ?? "", ".npmrc");
  const registry = given.endsWith("/") ? given : `${given}/`;
  const named =
    getInput("scope") ||
    (registry.includes("npm.pkg.github.com") ? (process.env["GITHUB_REPOSITORY_OWNER"] ?? "") : "");
  const scope = named === "" ? "" : `${named.startsWith("@") ? "" : "@"}${named}:`.toLowerCase();
  const existing = existsSync(file) ? readFileSync(file, "utf8").split(EOL) : [];
  const kept = existing.filter((line) => line !== "" && !line.toLowerCase().startsWith(`${scope}registry`));
  const credentials = `${registry.replace(/^\w+:/u, "")}:_authToken=\${NODE_AUTH_TOKEN}`;
  writeFileSync(file, [...kept, credentials, `${scope}registry=${registry}`].join(EOL));
  exportVariable("NPM_CONFIG_USERCONFIG", file);
  const token = process.env["NODE_AUTH_TOKEN"] ?? (majorVersion() < 7 ? "XXXXX-XXXXX-XXXXX-XXXXX" : undefined);
  if (token !== undefined) exportVariable("NODE_AUTH_TOKEN", token);
}

/** npm is cached without being asked for where package.json names it. */
function managerOfManifest(): string {
  if (majorVersion() < 5 || !getBooleanInput("package-manager-cache")) return "";
  const file = join(process.env["GITHUB_WORKSPACE"] ?? "", "package.json");
  if (!existsSync(file)) return "";
  try {
    const manifest: unknown = JSON.parse(readFileSync(file, "utf8"));
    const wanted = [member(manifest, "devEngines", "packageManager")].flat().map((one) => member(one, "name"));
    const isNpm = [...wanted, member(manifest, "packageManager")].some(
      (name) => typeof name === "string" && /^\^?npm(?:@.*)?$/u.test(name),
    );
    if (isNpm) {
      const off = "If you want to disable it, set package-manager-cache input to false";
      info(`Detected npm as the package manager from package.json. Auto caching has been enabled for npm. ${off}`);
    }
    return isNpm ? "npm" : "";
  } catch {
    // A broken file is for npm to speak about.
    return "";
  }
}

interface Manager {
  readonly lockFiles: readonly string[];
  readonly directory: () => Promise<string | undefined>;
}

const MANAGERS: Readonly<Record<string, Manager>> = {
  npm: {
    lockFiles: ["package-lock.json", "npm-shrinkwrap.json", "yarn.lock"],
    directory: () => outputOf("npm", "config", "get", "cache"),
  },
  pnpm: { lockFiles: ["pnpm-lock.yaml"], directory: () => outputOf("pnpm", "store", "path", "--silent") },
  yarn: {
    lockFiles: ["yarn.lock"],
    directory: async () =>
      (await outputOf("yarn", "--version"))?.startsWith("1.") === true
        ? outputOf("yarn", "cache", "dir")
        : outputOf("yarn", "config", "get", "cacheFolder"),
  },
};

async function restorePackages(name: string): Promise<void> {
  const manager = Object.hasOwn(MANAGERS, name) ? MANAGERS[name] : undefined;
  if (manager === undefined) throw new Error(`Caching for '${name}' is not supported`);
  const directory = await manager.directory();
  if (directory === undefined || directory === "") throw new Error(`Could not get cache folder path for ${name}`);
  const own = manager.lockFiles.filter((file) => existsSync(join(process.env["GITHUB_WORKSPACE"] ?? "", file)));
  const dependencies = getInput("cache-dependency-path") || own[0];
  if (dependencies === undefined) {
    throw new Error(
      `Dependencies lock file is not found in ${process.env["GITHUB_WORKSPACE"]}. Supported file patterns: ${manager.lockFiles.join(",")}`,
    );
  }
  const prefix = `node-cache-${process.env["RUNNER_OS"]}-${arch()}-${name}`;
  await restoreFiles({
    name,
    paths: [directory],
    dependencies,
    key: (hash) => `${prefix}-${hash}`,
    hit: "any",
    tell: true,
  });
}
