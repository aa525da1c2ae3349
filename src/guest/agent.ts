/**
 * The agent: does inside a machine what the host asks over `agent-api.ts`. It serves a guest, where it is root and steps are the
 * account `runner`, and the host provider, where it is part of Hearth's own process and steps are the same user.
 * Its own environment never reaches a step, and a step's never reaches it (SECURITY-RELIABILITY A14).
 */
import { hostname, uptime } from "node:os";
import { relative } from "node:path";
import type { Readable } from "node:stream";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Ready } from "../protocol/agent-api.ts";
import type { AgentHandlers } from "../protocol/agent-handlers.ts";
import { runExec } from "./exec.ts";
import { emptyDirectory, readWholeFile, writeWholeFile } from "./files.ts";
import type { Owner } from "./files.ts";
import { hashFiles } from "./hash-files.ts";
import { readInput } from "./input-device.ts";
import { killTracked, signalProcess, signalTree } from "./process-tree.ts";
import { runShell } from "./shell.ts";
import { packDirectory, unpackDirectory } from "./tar.ts";
import { readVitals } from "./vitals.ts";

export interface AgentOptions {
  /** Different for every start of every machine. */
  readonly bootId: string;
  /** What steps start from. */
  readonly env: Readonly<Record<string, string>>;
  /** Who a request's `runner` is; undefined: the agent is not root, and everything runs as the agent's own user. */
  readonly runner: Owner | undefined;
  /** Where directories may be emptied; undefined: anywhere but the root. Guards the files of a person whose host this is. */
  readonly resetWithin: string | undefined;
  /** Absent where the machine has no device for bulk input. */
  readonly inputDevice?: string;
}

const ROOT: Owner = { uid: 0, gid: 0 };

export function agentHandlers(options: AgentOptions): AgentHandlers {
  const running = new Map<string, number>();
  const ownerFor = (user: "runner" | "root"): Owner | undefined =>
    options.runner === undefined || user === "runner" ? options.runner : ROOT;
  return {
    ready: () => readyAnswer(options),
    exec: async (request, host) => {
      if (running.has(request.id)) throw new Error(`a command named ${request.id} is running`);
      try {
        return await runExec(request, ownerFor(request.user), host, (pid) => running.set(request.id, pid));
      } finally {
        running.delete(request.id);
      }
    },
    shell: (request, host) => runShell(request, ownerFor(request.user), host),
    signal: async ({ id, signal, scope }) => {
      // One that has ended meanwhile needs no signal any more.
      const pid = running.get(id);
      if (pid === undefined) return;
      if (scope === "tree") await signalTree(pid, signal);
      else signalProcess(pid, signal);
    },
    readFile: ({ path, maxBytes }) => readWholeFile(path, maxBytes),
    writeFile: ({ path, content, mode, user }) => writeWholeFile(path, content, mode, ownerFor(user)),
    unpack: (path, tar) => unpackDirectory(path, tar, options.runner),
    readInput: (range) => readInput(options.inputDevice, range),
    pack: (path) => deferred(packDirectory(path)),
    hashFiles: (request) => hashFiles(request, options.env["HOME"] ?? "/"),
    reset: async ({ empty, killTrackingId }) => {
      for (const path of empty) checkReset(path, options.resetWithin);
      if (killTrackingId !== undefined)
        await killTracked(killTrackingId, { ownUserOnly: options.runner === undefined });
      for (const path of empty) await emptyDirectory(path, options.runner);
    },
    vitals: ({ path }) => readVitals(path, { ownsKernel: options.runner !== undefined }),
  };
}

function readyAnswer({ bootId, env }: AgentOptions): Ready {
  return { bootId, hostname: hostname(), uptimeMs: Math.round(uptime() * 1_000), arch: process.arch, env: { ...env } };
}

function checkReset(path: string, within: string | undefined): void {
  const inside = relative(within ?? "/", path);
  if (!path.startsWith("/") || inside === "" || inside === ".." || inside.startsWith("../")) {
    throw new Error(`will not empty ${path}`);
  }
}

/** A stream now for one that comes later. */
function deferred(source: Promise<Readable>): Readable {
  const through = new PassThrough();
  source.then((stream) => pipeline(stream, through)).catch((error: Error) => through.destroy(error));
  return through;
}
