import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  GIT_ENVIRONMENT,
  commit,
  createRepository,
  createTestDirectory,
  fingerprint,
  git,
} from "../git/repository.fixture.ts";
import type { TestDirectory } from "../git/repository.fixture.ts";
import { createGitEndpoint } from "./git-endpoint.ts";
import type { GitEndpoint } from "./git-endpoint.ts";
import { createLookup } from "./repository-lookup.ts";

let directory: TestDirectory;
let endpoint: GitEndpoint;
let server: Server;
let port: number;
let head: string;
let asked: string[];

beforeAll(async () => {
  directory = createTestDirectory();
  const source = join(directory.path, "source");
  createRepository(source, { a: "1", big: "x".repeat(100_000) });
  head = commit(source, { a: "2" });
  const mirrors = join(directory.path, "mirrors");
  mkdirSync(join(mirrors, "octo"), { recursive: true });
  git(source, "clone", "-q", "--bare", source, join(mirrors, "octo/hello.git"));
  createRepository(join(directory.path, "canary.git"), { secret: "canary" });
  const lookup = createLookup({ owner: "Me", name: "own", gitDir: join(source, ".git") }, mirrors);
  asked = [];
  endpoint = createGitEndpoint((owner, name) => {
    asked.push(`${owner}/${name}`);
    return lookup(owner, name);
  });
  server = createServer((request, response) => {
    if (!endpoint.handle(request, response, request.url ?? ""))
      response.writeHead(404, { connection: "close" }).end("not git");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP listener has a port");
  port = address.port;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await endpoint[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

/** Not synchronous: the endpoint is in this very process. */
async function run(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }> {
  const env = { ...GIT_ENVIRONMENT, GIT_TERMINAL_PROMPT: "0" };
  return await promisify(execFile)("git", args, { cwd: directory.path, env })
    .then(({ stdout, stderr }) => ({ stdout, stderr, code: 0 }))
    .catch((error: { stdout: string; stderr: string; code: number }) => error);
}

/** Bytes as they are, as no client would send them. */
async function raw(text: string | Buffer): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(text);
  let answer = "";
  for await (const chunk of socket.setEncoding("latin1")) answer += chunk;
  return answer;
}

const url = (path: string) => `http://127.0.0.1:${port}/${path}`;

describe("fetching", () => {
  it.each(["octo/hello", "octo/hello.git", "me/OWN", "Me/own.git"])(
    "works by %s, with protocol 0, 1 and 2",
    async (name) => {
      for (const version of ["0", "1", "2"]) {
        const { stdout } = await run("-c", `protocol.version=${version}`, "ls-remote", url(name), "HEAD");
        expect(stdout).toBe(`${head}\tHEAD\n`);
      }
    },
  );

  it("gives shallow and filtered clones, and any commit by its id", async () => {
    expect((await run("clone", "-q", "--depth=1", url("octo/hello"), "shallow")).code).toBe(0);
    expect(git(join(directory.path, "shallow"), "rev-list", "--count", "HEAD")).toBe("1");
    expect((await run("clone", "-q", "--no-checkout", "--filter=blob:none", url("octo/hello"), "filtered")).code).toBe(
      0,
    );
    expect(git(join(directory.path, "filtered"), "count-objects", "-v")).toContain("in-pack: 4");
    const mirror = join(directory.path, "mirrors/octo/hello.git");
    const unreachable = git(mirror, "commit-tree", "-m", "loose", `${head}^{tree}`);
    git(directory.path, "init", "-q", "one");
    expect((await run("-C", "one", "fetch", "-q", url("octo/hello"), unreachable)).code).toBe(0);
  });

  it("takes compressed requests, which git sends once they are long", async () => {
    const body = "0014command=ls-refs\n0000";
    const plain = await raw(post(Buffer.from(body), ""));
    expect(plain).toContain(`${head} HEAD`);
    expect(await raw(post(gzipSync(body), "Content-Encoding: gzip\r\n"))).toContain(`${head} HEAD`);
    expect(await raw(post(Buffer.from(body), "Content-Encoding: gzip\r\n"))).toMatch(/^HTTP\/1\.1 400 /);
    expect(await raw(post(Buffer.from(body), "Content-Encoding: br\r\n"))).toMatch(/^HTTP\/1\.1 415 /);
  });

  it("ends a compressed request that becomes too large", async () => {
    const bomb = gzipSync(Buffer.alloc(80 << 20));
    const head =
      "POST /octo/hello/git-upload-pack HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Encoding: gzip\r\n" +
      `Content-Type: application/x-git-upload-pack-request\r\nContent-Length: ${bomb.length}\r\n\r\n`;
    expect(await raw(Buffer.concat([Buffer.from(head), bomb]))).not.toContain(" 200 ");
    expect(runningUploadPacks()).toBe(0);
  });

  it("changes nothing in the repository", async () => {
    const mirror = join(directory.path, "mirrors/octo/hello.git");
    const before = fingerprint(mirror);
    await run("clone", "-q", url("octo/hello"), "again");
    expect(fingerprint(mirror)).toBe(before);
  });
});

describe("what is refused", () => {
  it("refuses to be pushed to", async () => {
    const { stderr, code } = await run("-C", "source", "push", url("octo/hello"), "HEAD:refs/heads/x");
    expect(code).not.toBe(0);
    expect(stderr).toContain("hearth: pushing is refused");
    for (const request of ["GET /octo/hello/info/refs?service=git-receive-pack", "POST /octo/hello/git-receive-pack"]) {
      expect(await raw(`${request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).toMatch(/^HTTP\/1\.1 403 /);
    }
  });

  it("says in words that git shows that there is no such repository", async () => {
    const { stderr } = await run("ls-remote", url("octo/absent"));
    expect(stderr).toContain("remote: hearth: no repository octo/absent here");
  });

  it.each([
    "/../canary/info/refs",
    "/octo/../../canary/info/refs",
    "/octo/..%2f..%2fcanary/info/refs",
    "/octo/%2e%2e/info/refs",
    "/%2e%2e/canary/info/refs",
    "/octo/../info/refs",
    "/../canary.git/info/refs",
    "/./hello/info/refs",
    "/octo/./info/refs",
    "/octo/...git/info/refs",
    "/octo/..git/info/refs",
    "/octo/.git/info/refs",
    "/octo//info/refs",
    "//octo/hello/info/refs",
    "/octo/hello/../../../canary/info/refs",
    "/-octo/hello/info/refs",
    "/octo/-hello/info/refs",
    "/octo/--upload-pack=touch/info/refs",
    "/.octo/hello/info/refs",
    "/octo/hello\\..\\..\\canary/info/refs",
    "/octo/hello%00/info/refs",
    "/octo/hel%6co/info/refs",
    "/octo/hello;id/info/refs",
    "/octo/hello/objects/info/packs",
    "/octo/hello/HEAD",
    `/octo/${"a".repeat(4096)}/info/refs`,
    "/octo/hello/info/refs/x",
    "http://127.0.0.1/octo/hello/info/refs",
    "*",
  ])("does not know %s, and looks nothing up", async (path) => {
    asked.length = 0;
    const answer = await raw(`GET ${path}?service=git-upload-pack HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 (404|400) /);
    expect(answer).not.toContain("canary");
    expect(asked).toEqual([]);
  });

  it("refuses NUL in the request line, other services, and other content", async () => {
    expect(await raw("GET /octo/hello\0/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: x\r\n\r\n")).toMatch(
      /^HTTP\/1\.1 400 /,
    );
    expect(await raw("GET /octo/hello/info/refs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).toMatch(
      /^HTTP\/1\.1 403 /,
    );
    expect(
      await raw(
        "POST /octo/hello/git-upload-pack HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
      ),
    ).toMatch(/^HTTP\/1\.1 415 /);
  });

  it("passes no more than a version on from the protocol header", async () => {
    const answers = await Promise.all(
      ["version=2", "foo:version=2:bar", "version=9", "$(touch /tmp/pwn)", "version=2;x"].map((header) =>
        raw(
          `GET /octo/hello/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: x\r\nConnection: close\r\nGit-Protocol: ${header}\r\n\r\n`,
        ),
      ),
    );
    expect(answers.map((answer) => answer.includes("version 2"))).toEqual([true, true, false, false, false]);
    expect(answers.every((answer) => answer.startsWith("HTTP/1.1 200"))).toBe(true);
  });
});

describe("connections", () => {
  it("end git when the client goes away in the middle of its request", async () => {
    const socket = connect(port, "127.0.0.1");
    socket.write(
      "POST /octo/hello/git-upload-pack HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-git-upload-pack-request\r\nContent-Length: 1000\r\n\r\n0014",
    );
    await until(() => runningUploadPacks() === 1);
    socket.destroy();
    await until(() => runningUploadPacks() === 0);
    expect((await run("ls-remote", url("octo/hello"))).code).toBe(0);
  });

  it("are limited in how many git processes they start", async () => {
    const start = `POST /octo/hello/git-upload-pack HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-git-upload-pack-request\r\nContent-Length: 1000\r\n\r\n`;
    const sockets = Array.from({ length: 32 }, () => connect(port, "127.0.0.1"));
    for (const socket of sockets) socket.write(start);
    await until(() => runningUploadPacks() === 32);
    expect(await raw(start)).toMatch(/^HTTP\/1\.1 503 /);
    for (const socket of sockets) socket.destroy();
    await until(() => runningUploadPacks() === 0);
  });
});

/** Looks again at each turn of the event loop; the test's own time limit ends it. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** Children of this process that serve from this test's directory. */
function runningUploadPacks(): number {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return command.startsWith("git\0") && command.includes("upload-pack") && command.includes(directory.path);
    } catch {
      // It ended while we looked.
      return false;
    }
  }).length;
}

function post(content: Buffer, encoding: string): Buffer {
  const head =
    "POST /octo/hello/git-upload-pack HTTP/1.1\r\nHost: x\r\nConnection: close\r\nGit-Protocol: version=2\r\n" +
    `Content-Type: application/x-git-upload-pack-request\r\n${encoding}Content-Length: ${content.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), content]);
}
