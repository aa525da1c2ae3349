/**
 * Serves repositories to a machine by git's smart HTTP, reading only: `/<owner>/<name>[.git]/info/refs` and
 * `/<owner>/<name>[.git]/git-upload-pack`. Pushing is refused. Any object a repository has can be asked for by its id and
 * filtered, as on GitHub, which is how a checkout of one commit works.
 *
 * The guest is hostile: a name must match before it is looked up and never becomes a path by itself, bodies and git processes
 * are bounded, git runs with an environment of its own and dies with its request. Source: gitprotocol-http(5),
 * gitprotocol-v2(5), ACTIONS-CONTRACT §5.8, SECURITY-RELIABILITY A17 and A18.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { ByteLimit } from "../lib/byte-limit.ts";
import { exitOf, startGit } from "./git-process.ts";
import type { GitProcess } from "./git-process.ts";
import type { RepositoryLookup } from "./repository-lookup.ts";

export interface GitEndpoint extends AsyncDisposable {
  /** Answers the request if its path is one of git's; false: nothing was done with it. */
  handle(request: IncomingMessage, response: ServerResponse, path: string): boolean;
}

/** Disposal kills what git still runs and resolves when it is gone. */
export function createGitEndpoint(lookup: RepositoryLookup): GitEndpoint {
  const running = new Map<GitProcess, Promise<void>>();
  return {
    handle(request, response, path) {
      const call = parseCall(request, path);
      if (call === undefined) return false;
      // A lookup that fails is the operator's trouble; the guest sees a connection that breaks.
      serve(call, request, response, lookup, running).catch(() => response.destroy());
      return true;
    },
    async [Symbol.asyncDispose]() {
      for (const child of running.keys()) killGroup(child);
      await Promise.all(running.values());
    },
  };
}

const MAX_PROCESSES = 32;
/** Beyond what a fetch says about a million objects it has. */
const MAX_REQUEST_BYTES = 64 << 20;
const ADVERTISEMENT = "application/x-git-upload-pack-advertisement";
const REQUEST = "application/x-git-upload-pack-request";
const RESULT = "application/x-git-upload-pack-result";

interface Call {
  readonly owner: string;
  readonly name: string;
  readonly kind: "advertise" | "upload-pack" | "receive-pack" | "unknown service";
}

/**
 * Names as GitHub has them. The path is matched as it came, undecoded: no name has a `%` or a leading dash, none is `..`.
 */
const PATH =
  /^\/(?<owner>\w[\w-]{0,99})\/(?<name>[\w.][\w.-]{0,103})\/(?<rest>info\/refs|git-upload-pack|git-receive-pack)(?:\?(?<query>.*))?$/;

function parseCall(request: IncomingMessage, path: string): Call | undefined {
  const { owner, name: written, rest, query } = PATH.exec(path)?.groups ?? {};
  const name = written?.replace(/\.git$/, "");
  if (owner === undefined || name === undefined || name === "" || name === "." || name === "..") return undefined;
  if (rest === "git-receive-pack" || query === "service=git-receive-pack") return { owner, name, kind: "receive-pack" };
  if (rest === "git-upload-pack" && request.method === "POST") return { owner, name, kind: "upload-pack" };
  if (rest === "info/refs" && request.method === "GET") {
    return { owner, name, kind: query === "service=git-upload-pack" ? "advertise" : "unknown service" };
  }
  return undefined;
}

async function serve(
  { owner, name, kind }: Call,
  request: IncomingMessage,
  response: ServerResponse,
  lookup: RepositoryLookup,
  running: Map<GitProcess, Promise<void>>,
): Promise<void> {
  if (kind === "receive-pack")
    return say(response, 403, "hearth: pushing is refused: a run reads its repository and changes nothing in it");
  if (kind === "unknown service") return say(response, 403, "hearth: only service=git-upload-pack is served");
  const gitDir = await lookup(owner, name);
  if (gitDir === undefined) {
    return say(response, 404, `hearth: no repository ${owner}/${name} here: neither the one of this run nor a mirror`);
  }
  if (kind === "upload-pack" && request.headers["content-type"] !== REQUEST)
    return say(response, 415, `hearth: send ${REQUEST}`);
  const encoding = request.headers["content-encoding"] ?? "identity";
  if (encoding !== "identity" && encoding !== "gzip" && encoding !== "x-gzip")
    return say(response, 415, "hearth: send gzip or nothing");
  if (running.size >= MAX_PROCESSES) return say(response, 503, "hearth: too many fetches at once");
  // What the client did while the repository was looked up.
  if (response.destroyed) return;

  const version = protocolVersion(request.headers["git-protocol"]);
  const child = startUploadPack(gitDir, version, kind === "advertise");
  const exit = exitOf(child);
  running.set(
    child,
    exit.then(() => void running.delete(child)),
  );
  response.once("close", () => killGroup(child));
  const body = kind === "advertise" ? endInput(child) : feedBody(request, encoding, child);
  // Protocol 2 has no such line.
  const prefix = kind === "advertise" && version !== 2 ? "001e# service=git-upload-pack\n0000" : "";
  response.setHeader("Cache-Control", "no-cache, max-age=0, must-revalidate");
  response.setHeader("Content-Type", kind === "advertise" ? ADVERTISEMENT : RESULT);
  await copyOut(child.stdout, response, prefix);
  const [bodyStatus, exitCode] = await Promise.all([body, exit]);
  if (response.headersSent) return void response.end();
  if (bodyStatus !== 200) return say(response, bodyStatus, "hearth: the request body cannot be read");
  if (exitCode !== 0) return say(response, 500, `hearth: git cannot read ${owner}/${name}`);
  response.end(prefix);
}

async function endInput(child: GitProcess): Promise<200> {
  child.stdin.end();
  return 200;
}

/** Resolves to the status that the body deserves. One that git did not want to read to its end is fine: its answer stands. */
async function feedBody(request: IncomingMessage, encoding: string, child: GitProcess): Promise<200 | 400 | 413> {
  // Counted after decompression, so that a small body cannot become a large one.
  const limit = new ByteLimit(MAX_REQUEST_BYTES);
  try {
    await pipeline([request, ...(encoding === "identity" ? [] : [createGunzip()]), limit, child.stdin]);
    return 200;
  } catch {
    killGroup(child);
    return limit.isExceeded ? 413 : 400;
  }
}

/** Writes nothing, not even headers, before there is something: until then the answer can still be a refusal. */
async function copyOut(from: Readable, response: ServerResponse, prefix: string): Promise<void> {
  const closed = new Promise((resolve) => response.once("close", resolve));
  let head = prefix;
  for await (const chunk of from) {
    if (head !== "") response.write(head);
    head = "";
    if (!response.write(chunk)) await Promise.race([closed, new Promise((resolve) => response.once("drain", resolve))]);
  }
}

function say(response: ServerResponse, status: number, text: string): void {
  // git shows plain text to the person.
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", Connection: "close" }).end(`${text}\n`);
}

/** The header is a list of `key=value`; unknown ones are to be ignored, and only a number of ours reaches git. */
function protocolVersion(header: string | string[] | undefined): 0 | 1 | 2 {
  const version = /^(?:[^:]{0,64}:){0,8}version=(?<version>[012])(?::|$)/.exec(String(header ?? ""))?.groups?.[
    "version"
  ];
  return version === "2" ? 2 : version === "1" ? 1 : 0;
}

function startUploadPack(gitDir: string, version: 0 | 1 | 2, advertise: boolean): GitProcess {
  const how = ["--strict", "--stateless-rpc", ...(advertise ? ["--http-backend-info-refs"] : [])];
  return startGit(["upload-pack", ...how, "--", gitDir], {
    settings: ["uploadpack.allowFilter=true", "uploadpack.allowAnySHA1InWant=true"],
    variables: { LC_ALL: "C", GIT_PROTOCOL: `version=${version}` },
    // upload-pack starts pack-objects.
    detached: true,
  });
}

function killGroup(child: GitProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
