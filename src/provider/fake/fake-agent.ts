/** The routes of a guest agent, answered from a map of files and a script instead of a file system and processes. */
import { Readable } from "node:stream";
import { unpackTar, packTar } from "modern-tar";
import { buffer } from "node:stream/consumers";
import type { ExecExit, ExecRequest, InputRange, Vitals } from "../../protocol/agent-api.ts";
import type { OutputStream, ReadBack } from "../../protocol/agent-client.ts";
import type { AgentHandlers, ExecListener } from "../../protocol/agent-handlers.ts";
import { fakeShell } from "./fake-shell.ts";

/** By absolute path; a directory is the files below it, or an entry whose path ends in a slash. */
export type FakeFiles = Map<string, Buffer>;

export interface FakeExec {
  /** Default 0, unless `signal` or `failure` says how it ended. */
  readonly code?: number;
  readonly signal?: string;
  readonly failure?: string;
  readonly output?: readonly (readonly [OutputStream, string | Buffer])[];
  /** Runs until a signal comes; the function says how it ends then, undefined that it takes no notice of this one. */
  readonly untilSignal?: (signal: string) => FakeExec | undefined;
}

export interface FakeGuest {
  readonly bootId: string;
  readonly home: string;
  readonly files: FakeFiles;
  readonly answer: (request: ExecRequest) => FakeExec | undefined;
  /** Throws when this reset is to be refused. */
  readonly beforeReset: () => void;
  readonly vitals: () => Vitals;
  /** Throws where there is no such input. */
  readonly input: (range: InputRange) => Buffer;
}

export function fakeAgent(guest: FakeGuest): AgentHandlers {
  const { files } = guest;
  const running = new Map<string, (signal: string) => void>();
  return {
    ready: () => ({
      bootId: guest.bootId,
      hostname: "fake",
      uptimeMs: 1,
      arch: "x64",
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: guest.home, USER: "runner", LANG: "C.UTF-8" },
    }),
    exec: async (request, host) => {
      for (const { path, content } of request.write) files.set(path, Buffer.from(content));
      let exec = guest.answer(request) ?? {};
      await sayAll(exec.output ?? [], host);
      while (exec.untilSignal !== undefined) {
        const next: FakeExec | undefined = exec.untilSignal(await nextSignal(request.id, running, host));
        if (next === undefined) continue;
        exec = next;
        await sayAll(exec.output ?? [], host);
      }
      running.delete(request.id);
      return { exit: exitOf(exec), files: request.read.map(({ path, maxBytes }) => readBack(files, path, maxBytes)) };
    },
    shell: fakeShell,
    signal: async ({ id, signal }) => running.get(id)?.(signal),
    readFile: ({ path, maxBytes }) => readBack(files, path, maxBytes),
    writeFile: ({ path, content }) => void files.set(path, Buffer.from(content)),
    unpack: async (path, tar) => {
      for (const { header, data } of await unpackTar(await buffer(tar), { strict: true })) {
        if (header.name.split("/").includes("..")) throw new Error(`refused entry ${header.name}`);
        files.set(`${path}/${header.name}`, Buffer.from(data ?? []));
      }
    },
    readInput: (range) => Readable.from([guest.input(range)]),
    pack: (path) => Readable.from(packed(files, path)),
    hashFiles: async () => "",
    vitals: () => guest.vitals(),
    reset: async ({ empty }) => {
      guest.beforeReset();
      for (const path of empty) {
        if (path === "/") throw new Error("will not empty /");
        for (const name of files.keys()) if (name.startsWith(`${path}/`)) files.delete(name);
      }
    },
  };
}

async function sayAll(
  output: readonly (readonly [OutputStream, string | Buffer])[],
  host: ExecListener,
): Promise<void> {
  for (const [stream, text] of output) {
    if (host.gone.aborted) return;
    if (!host.write(stream, Buffer.from(text))) await new Promise<void>((resolve) => host.onDrain(resolve));
  }
}

/** A host that goes away ends a command as SIGKILL does. */
function nextSignal(id: string, running: Map<string, (signal: string) => void>, host: ExecListener): Promise<string> {
  return new Promise((resolve) => {
    running.set(id, resolve);
    if (host.gone.aborted) resolve("SIGKILL");
    host.gone.addEventListener("abort", () => resolve("SIGKILL"));
  });
}

function exitOf({ code, signal, failure }: FakeExec): ExecExit {
  if (failure !== undefined) return { code: null, signal: null, failure };
  if (signal !== undefined) return { code: null, signal };
  return { code: code ?? 0, signal: null };
}

function readBack(files: FakeFiles, path: string, maxBytes: number): ReadBack {
  const content = files.get(path);
  if (content === undefined) return { kind: "missing" };
  if (content.length > maxBytes) return { kind: "too_large", sizeBytes: content.length };
  return { kind: "content", content };
}

async function* packed(files: FakeFiles, path: string): AsyncGenerator<Uint8Array> {
  const below = [...files].filter(([name]) => name.startsWith(`${path}/`));
  const entries = below.map(([name, body]) => ({
    header: { name: name.slice(path.length + 1), size: body.length },
    body,
  }));
  yield await packTar(entries);
}
