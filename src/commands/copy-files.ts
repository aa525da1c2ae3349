/**
 * Files and directories out of a machine and into it, whoever's machine it is. What comes out is hostile: it is unpacked in a new directory
 * beside its place, where nothing can be overwritten and no link leads outside, and only then moved there. What goes in is
 * unpacked in a new directory as well, since an unpacked tree is given to the runner as a whole.
 */
import { createWriteStream } from "node:fs";
import { lstat, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { basename, dirname, join, posix, resolve } from "node:path";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { unpackDirectory } from "../guest/tar.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { AgentClient } from "../protocol/agent-client.ts";

export interface CopyWish {
  /** In the machine; relative to `cwd`. */
  readonly inside: string;
  /** Absolute directory in the machine. */
  readonly cwd: string;
  /** On this host; an existing directory, or a trailing slash, means below it, by its own name. */
  readonly local: string;
  /** Replaces what is there. */
  readonly force: boolean;
}

/** Answers where it went. Throws BAD_USAGE, ARCHIVE_REFUSED for what is not to be unpacked here, and as `AgentClient` does. */
export async function copyOut(agent: AgentClient, { inside, cwd, local, force }: CopyWish): Promise<string> {
  const from = posix.resolve(cwd, inside);
  const kind = await kindOf(agent, from);
  if (kind === "missing") throw usage(`There is no ${from} in the machine`);
  if (kind === "other") throw usage(`${from} is neither a file nor a directory`);
  const target = await placeFor(local, posix.basename(from));
  if (!force && (await isThere(target))) throw exists(target);
  const parent = dirname(target);
  const staging = await mkdtemp(join(parent, ".hearth-cp-")).catch((cause: unknown) => {
    throw usage(`Cannot write in ${parent}: ${messageOf(cause)}`);
  });
  try {
    const staged = join(staging, "copy");
    if (kind === "file") await readInto(agent, from, staged);
    else await unpackHere(agent, from, staged);
    if (force) await rm(target, { recursive: true, force: true });
    await rename(staged, target);
    return target;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** Answers where it went. Throws as `copyOut`. */
export async function copyIn(agent: AgentClient, { inside, cwd, local, force }: CopyWish): Promise<string> {
  const source = resolve(local);
  const stat = await lstat(source).catch((cause: unknown) => {
    throw usage(`Cannot read ${local}: ${messageOf(cause)}`);
  });
  if (!stat.isFile() && !stat.isDirectory()) throw usage(`${local} is neither a file nor a directory`);
  const named = posix.resolve(cwd, inside);
  const isBelow = inside.endsWith("/") || (await kindOf(agent, named)) === "directory";
  const target = isBelow ? posix.join(named, basename(source)) : named;
  if (target === "/") throw usage("Cannot replace / of the machine");
  if (!force && (await kindOf(agent, target)) !== "missing") throw exists(target);
  const staging = posix.join(posix.dirname(target), `.hearth-cp-${randomUUID()}`);
  try {
    await agent.unpack(staging, await packed(source, stat.isDirectory()));
    await inMachine(agent, MOVE, [`${staging}/copy`, target], `Cannot write ${target}`);
    return target;
  } finally {
    await inMachine(agent, 'rm -rf -- "$1"', [staging], "Cannot tidy up");
  }
}

const MOVE = 'rm -rf -- "$2" && mv -- "$1" "$2"';
const KIND =
  'if [ -d "$1" ]; then echo directory; elif [ -f "$1" ]; then echo file; elif [ -e "$1" ] || [ -L "$1" ]; then echo other; else echo missing; fi';

type Kind = "file" | "directory" | "other" | "missing";

async function kindOf(agent: AgentClient, path: string): Promise<Kind> {
  const said = (await inMachine(agent, KIND, [path], `Cannot look at ${path}`)).trim();
  // A machine that says anything else is asked for a file, and that fails by itself.
  return said === "directory" || said === "other" || said === "missing" ? said : "file";
}

/** Of `sh`, as root, since the agent's own way to files is; answers the beginning of its output. */
async function inMachine(agent: AgentClient, script: string, args: readonly string[], what: string): Promise<string> {
  const [output, complaint] = [new Beginning(), new Beginning()];
  const exit = await agent.exec(asRoot(["sh", "-c", script, "sh", ...args]), (stream, chunk) =>
    (stream === "stdout" ? output : complaint).add(chunk),
  );
  if (exit.code !== 0) throw new EngineError("GUEST_REFUSED", `${what}: ${exit.failure ?? complaint.text.trim()}`);
  return output.text;
}

class Beginning {
  text = "";

  add(chunk: Buffer): void {
    if (this.text.length < 4_096) this.text += chunk.toString("utf8", 0, 4_096);
  }
}

function asRoot(argv: string[]): Parameters<AgentClient["exec"]>[0] {
  const env = { PATH: "/usr/local/bin:/usr/bin:/bin:/run/current-system/sw/bin" };
  return { id: `cp-${randomUUID()}`, argv, env, cwd: "/", user: "root", write: [], read: [] };
}

async function readInto(agent: AgentClient, from: string, to: string): Promise<void> {
  const file = createWriteStream(to, { flags: "wx" });
  const complaint = new Beginning();
  try {
    const exit = await agent.exec(asRoot(["cat", "--", from]), async (stream, chunk) => {
      if (stream === "stderr") complaint.add(chunk);
      else if (!file.write(chunk)) await once(file, "drain");
    });
    if (exit.code !== 0)
      throw new EngineError("GUEST_REFUSED", `Cannot read ${from}: ${exit.failure ?? complaint.text.trim()}`);
  } finally {
    file.end();
    await finished(file);
  }
}

async function unpackHere(agent: AgentClient, from: string, to: string): Promise<void> {
  try {
    await unpackDirectory(to, Readable.from(agent.pack(from), { objectMode: false }), undefined);
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError("ARCHIVE_REFUSED", `Cannot copy ${from}: ${messageOf(error)}`, {
      cause: error,
      hint: "Links that lead out of the directory are not copied: copy the files that they mean, or pack them there with tar.",
    });
  }
}

async function packed(source: string, isDirectory: boolean): Promise<AsyncIterable<Uint8Array>> {
  const { packTar } = await import("modern-tar/fs");
  return packTar([{ type: isDirectory ? "directory" : "file", source, target: "copy" }]);
}

/** As `cp` understands its last word. */
async function placeFor(local: string, name: string): Promise<string> {
  const target = resolve(local);
  const isDirectory = (await lstat(target).catch(() => undefined))?.isDirectory() ?? false;
  if (!isDirectory && !local.endsWith("/")) return target;
  if (name === "") throw usage(`/ has no name to have below ${local}`);
  // Says in words of its own what a missing directory means.
  await readdir(target).catch((cause: unknown) => {
    throw usage(`Cannot write in ${target}: ${messageOf(cause)}`);
  });
  return join(target, name);
}

async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

function exists(path: string): EngineError {
  return new EngineError("BAD_USAGE", `${path} is there already`, { hint: "--force replaces it." });
}

function usage(message: string): EngineError {
  return new EngineError("BAD_USAGE", message);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
