/**
 * The tool cache of this host: `<dataDir>/tools/cache/<tool>/<version>/<arch>` with `<arch>.complete` beside it, as setup actions look for
 * tools in `RUNNER_TOOL_CACHE` (ACTIONS-CONTRACT §5.9). What is there was run once and said its version. Anybody may write in it, as on
 * GitHub's machines, where `pip install` writes into Python's own directory; only the directory around it keeps others out.
 */
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import { forgetToolDisk, toolCacheDirectory } from "../image/tool-cache.ts";
import { lockFile } from "../lib/file-lock.ts";
import { runCommand } from "../lib/run-command.ts";
import { useProxy } from "./tool-download.ts";
import type { Network } from "./tool-download.ts";
import { goTool } from "./tool-go.ts";
import { nodeTool } from "./tool-node.ts";
import { pythonTool } from "./tool-python.ts";
import type { ToolArch, ToolSource } from "./tool-source.ts";
import { compareVersions, highestVersion } from "./tool-version.ts";

export interface Tool {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  readonly directory: string;
  readonly sizeBytes: number;
}

export interface ToolsSetup extends Network {
  readonly dataDir: string;
  readonly progress: (line: string) => void;
}

const SOURCES: Readonly<Record<string, ToolSource>> = { node: nodeTool, python: pythonTool, go: goTool };

/** `wish` is `node@24`, `python@3.12`, `go@1.25.4`. At once when that very version is there. Throws BAD_USAGE or SETUP_FAILED. */
export async function addTool(wish: string, setup: ToolsSetup): Promise<Tool> {
  const { name, range } = /^(?<name>[a-z]+)@(?<range>\d+(?:\.\d+){0,2})$/u.exec(wish.toLowerCase())?.groups ?? {};
  const source = name === undefined || !Object.hasOwn(SOURCES, name) ? undefined : SOURCES[name];
  if (source === undefined || range === undefined) {
    throw new EngineError(
      "BAD_USAGE",
      `Cannot add ${JSON.stringify(wish)}: expected node@24, python@3.12 or go@1.25.4`,
    );
  }
  if (process.platform !== "linux")
    throw new EngineError("SETUP_FAILED", "Machines run Linux, and so do their tools: add them there");
  const arch: ToolArch = process.arch === "arm64" ? "arm64" : "x64";
  await mkdir(join(setup.dataDir, "tools"), { recursive: true, mode: 0o700 });
  const cache = toolCacheDirectory(setup.dataDir);
  await mkdir(cache, { recursive: true });
  const onWait = () => setup.progress("waiting for another command that adds tools");
  const lock = await lockFile(join(setup.dataDir, "tools", ".lock"), onWait, setup.signal);
  try {
    return await add({ source, range, arch, cache }, setup);
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

interface Wish {
  readonly source: ToolSource;
  readonly range: string;
  readonly arch: ToolArch;
  readonly cache: string;
}

async function add({ source, range, arch, cache }: Wish, setup: ToolsSetup): Promise<Tool> {
  const { progress } = setup;
  const exact = await findTool(cache, source.directory, range, arch);
  if (exact !== undefined) return exact;
  useProxy(setup);
  const offers = await source.offers(setup, arch);
  const version = highestVersion(
    offers.map((offer) => offer.version),
    range,
  );
  const offer = offers.find((one) => one.version === version);
  if (offer === undefined) throw nothingOffered(source, range, offers);
  const present = await findTool(cache, source.directory, offer.version, arch);
  if (present !== undefined) return present;

  progress(`${source.directory} ${offer.version} from ${offer.from}`);
  const workshop = await mkdtemp(join(setup.dataDir, "tools", "adding-"));
  try {
    const unfinished = join(workshop, "tool");
    await mkdir(unfinished);
    await offer.install(unfinished).catch((cause: unknown) => {
      setup.signal.throwIfAborted();
      if (cause instanceof EngineError) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new EngineError("SETUP_FAILED", `Cannot unpack ${source.directory} ${offer.version}: ${why}`, { cause });
    });
    await requireVersion(source, offer.version, unfinished);
    await openToAll(unfinished);
    const directory = join(cache, source.directory, offer.version);
    await mkdir(directory, { recursive: true });
    await rm(join(directory, arch), { recursive: true, force: true });
    await rename(unfinished, join(directory, arch));
    await writeFile(join(directory, `${arch}.complete`), "");
    await forgetToolDisk(setup.dataDir);
    for (const path of [cache, join(cache, source.directory), directory]) await chmod(path, 0o777);
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
  const added = await findTool(cache, source.directory, offer.version, arch);
  if (added === undefined) throw new Error(`${source.directory} ${offer.version} was added and is not there`);
  return added;
}

/** By name, the newest version first. What was left half made is not listed. */
export async function listTools(dataDir: string): Promise<readonly Tool[]> {
  const cache = toolCacheDirectory(dataDir);
  const tools: Tool[] = [];
  for (const name of (await namesIn(cache)).toSorted()) {
    for (const version of (await namesIn(join(cache, name))).toSorted(compareVersions).toReversed()) {
      const files = await namesIn(join(cache, name, version));
      for (const arch of files.filter((file) => files.includes(`${file}.complete`))) {
        const directory = join(cache, name, version, arch);
        tools.push({ name, version, arch, directory, sizeBytes: await sizeOf(directory) });
      }
    }
  }
  return tools;
}

/** All whose version begins with the wish's: `node@24`, or `node` for every one. Throws BAD_USAGE where there is none. */
export async function removeTools(wish: string, dataDir: string): Promise<readonly Tool[]> {
  const [name = "", range] = wish.toLowerCase().split("@");
  const found = (await listTools(dataDir)).filter(
    (tool) => tool.name.toLowerCase() === name && (range === undefined || `${tool.version}.`.startsWith(`${range}.`)),
  );
  if (found.length === 0) {
    throw new EngineError("BAD_USAGE", `Cannot remove ${wish}: there is no such tool`, { hint: "hearth tools list" });
  }
  for (const { directory } of found) {
    // First the marker: without it the rest is nothing to anybody.
    await rm(`${directory}.complete`, { force: true });
    await rm(directory, { recursive: true, force: true });
    for (const above of [join(directory, ".."), join(directory, "../..")]) {
      if ((await namesIn(above)).length === 0) await rm(above, { recursive: true });
    }
  }
  await forgetToolDisk(dataDir);
  return found;
}

/** Only for a whole version, since a newer one might be offered for the beginning of one. */
async function findTool(cache: string, name: string, version: string, arch: ToolArch): Promise<Tool | undefined> {
  const directory = join(cache, name, version, arch);
  if (!(await isThere(`${directory}.complete`)) || !(await isThere(directory))) return undefined;
  return { name, version, arch, directory, sizeBytes: await sizeOf(directory) };
}

/** Nothing goes into the cache that has not run here and said what it is. */
async function requireVersion(
  { check, directory: name }: ToolSource,
  version: string,
  directory: string,
): Promise<void> {
  const [program = "", ...args] = check;
  const ran = await runCommand([join(directory, program), ...args], {
    env: {
      PATH: join(directory, "bin"),
      HOME: directory,
      GOTOOLCHAIN: "local",
      GOROOT: name === "go" ? directory : "",
      PYTHONDONTWRITEBYTECODE: "1",
    },
  });
  const said = ran.stdout.trim();
  const plain = version.replace(/\.0$/u, "");
  const numbers = /\d+(?:\.\d+)+/u.exec(said)?.[0];
  if (ran.code === 0 && (numbers === version || numbers === plain)) return;
  const why = ran.code === 0 ? `it calls itself ${JSON.stringify(said)}` : ran.stderr.trim().split("\n").at(-1);
  throw new EngineError("SETUP_FAILED", `What was fetched as ${name} ${version} does not run: ${why}`);
}

function nothingOffered(
  source: ToolSource,
  range: string,
  offers: readonly { readonly version: string }[],
): EngineError {
  const short = new Set(
    offers.map(({ version }) =>
      version
        .split(".")
        .slice(0, source.directory === "node" ? 1 : 2)
        .join("."),
    ),
  );
  const shown = [...short].toSorted((a, b) => compareVersions(`${a}.0`, `${b}.0`)).slice(-8);
  return new EngineError("SETUP_FAILED", `Nobody offers ${source.directory} ${range} for this machine`, {
    hint: shown.length === 0 ? "No version at all is offered here" : `There is ${shown.join(", ")}`,
  });
}

/** Whoever unpacked it, whatever the archive said of modes. */
async function openToAll(directory: string): Promise<void> {
  await chmod(directory, 0o777);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, (await stat(path)).mode & 0o100 ? 0o777 : 0o666);
  }
}

async function sizeOf(directory: string): Promise<number> {
  let sizeBytes = 0;
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) sizeBytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return sizeBytes;
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return [];
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
