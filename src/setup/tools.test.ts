/** Against a server that is npm's registry, Go's proxy and the Python package index at once; the tools are shell scripts. */
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { goTool } from "./tool-go.ts";
import { addTool, listTools, removeTools } from "./tools.ts";
import type { ToolsSetup } from "./tools.ts";
import { writeZip } from "./zip.fixture.ts";

const ARCH = process.arch === "arm64" ? "arm64" : "x64";
const GO_ARCH = ARCH === "arm64" ? "arm64" : "amd64";
const PROXY = "/golang.org/toolchain/@v";

let dataDir: string;
let server: Server;
let answers: Map<string, Buffer>;
let asked: string[];
let setup: ToolsSetup;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "hearth-test-tools-"));
  answers = new Map();
  asked = [];
  server = createServer((request, response) => {
    asked.push(request.url ?? "");
    const answer = answers.get(request.url ?? "");
    response.writeHead(answer === undefined ? 404 : 200).end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP listener has a port");
  const base = `http://127.0.0.1:${address.port}`;
  setup = {
    dataDir,
    progress: () => undefined,
    npmRegistry: `${base}/`,
    goProxies: [`${base}/empty`, base],
    pypiIndex: `${base}/simple`,
    nodeReleases: `${base}/nodejs`,
    pythonReleases: `${base}/python`,
    proxy: undefined,
    signal: new AbortController().signal,
  };
});
afterEach(async () => {
  server.close();
  await rm(dataDir, { recursive: true });
});

/** `says` is what the program prints as its version. */
function offerGo(version: string, says = version): void {
  const tag = `v0.0.1-go${version}.linux-${GO_ARCH}`;
  const others = ["v0.0.1-go1.99rc1.linux-amd64", `v0.0.1-go9.9.9.windows-${GO_ARCH}`];
  const list = answers.get(`${PROXY}/list`)?.toString() ?? others.map((other) => `${other}\n`).join("");
  answers.set(`${PROXY}/list`, Buffer.from(`${list}${tag}\n`));
  const root = `golang.org/toolchain@${tag}/`;
  const program = `#!/bin/sh\necho "go version go${says} linux/amd64"\n`;
  answers.set(
    `${PROXY}/${tag}.zip`,
    writeZip({ [`${root}bin/go`]: program, [`${root}src/_go.mod`]: "module std\n", [`${root}VERSION`]: says }),
  );
}

describe("tools of Go's proxy", () => {
  it("adds the newest that fits, where setup actions look for it, once, and lists and removes it", async () => {
    for (const version of ["1.24.9", "1.25.3", "1.25.14", "1.26.0"]) offerGo(version);
    const tool = await addTool("go@1.25", setup);
    const directory = join(dataDir, "tools/cache/go/1.25.14", ARCH);
    expect(tool).toMatchObject({ name: "go", version: "1.25.14", arch: ARCH, directory });
    expect((await readdir(join(directory, ".."))).toSorted()).toEqual([ARCH, `${ARCH}.complete`]);
    expect(await readdir(join(directory, "src"))).toEqual(["go.mod"]);
    expect((await stat(join(directory, "bin/go"))).mode & 0o777).toBe(0o777);
    expect((await stat(join(dataDir, "tools"))).mode & 0o077).toBe(0);

    asked = [];
    expect(await addTool("go@1.25.14", setup)).toEqual(tool);
    expect(asked).toEqual([]);
    await addTool("go@1.24", setup);
    expect((await listTools(dataDir)).map(({ version }) => version)).toEqual(["1.25.14", "1.24.9"]);
    expect(await removeTools("go@1.2", dataDir).catch(String)).toContain("there is no such tool");
    await removeTools("go", dataDir);
    expect(await listTools(dataDir)).toEqual([]);
    expect(await readdir(join(dataDir, "tools/cache"))).toEqual([]);
  });

  it("leaves nothing of a tool that does not run, or is another version than it was offered as", async () => {
    offerGo("1.25.1", "1.24.0");
    await expect(addTool("go@1.25", setup)).rejects.toThrow("does not run: it calls itself");
    expect(await listTools(dataDir)).toEqual([]);
    expect((await readdir(join(dataDir, "tools"))).filter((name) => name.startsWith("adding-"))).toEqual([]);
  });

  it("says what there is where nothing fits, and that nobody has it", async () => {
    offerGo("1.25.1");
    await expect(addTool("go@1.12", setup)).rejects.toMatchObject({ code: "SETUP_FAILED", hint: "There is 1.25" });
    answers.clear();
    await expect(addTool("go@1.25", setup)).rejects.toThrow("No Go module proxy has golang.org/toolchain/@v/list");
  });

  it("never offers what is not finished or for another system", async () => {
    offerGo("1.25.1");
    const offers = await goTool.offers(setup, ARCH);
    expect(offers.map(({ version }) => version)).toEqual(["1.25.1"]);
  });

  it.each(["rust@1", "go", "go@latest", "go@1.2.3.4", "go@../x", "node@24; ls", "constructor@1"])(
    "does not take %j for a tool",
    async (wish) => {
      await expect(addTool(wish, setup)).rejects.toMatchObject({ code: "BAD_USAGE" });
    },
  );

  it("does not list what was left half made", async () => {
    offerGo("1.25.1");
    const { directory } = await addTool("go@1.25", setup);
    await rm(`${directory}.complete`);
    expect(await listTools(dataDir)).toEqual([]);
    await writeFile(`${directory}.complete`, "");
    expect(await listTools(dataDir)).toHaveLength(1);
  });
});

const archive = async (files: Readonly<Record<string, string>>): Promise<Buffer> => {
  const entries = Object.entries(files).map(([name, body]) => {
    return { header: { name: `package/${name}`, size: Buffer.byteLength(body), mode: 0o755 }, body };
  });
  return gzipSync(await packTar(entries));
};

const node = (version: string) => ({ "bin/node": `#!/bin/sh\necho v${version}\n` });

async function offer(name: string, version: string, files: Readonly<Record<string, string>>, more: object = {}) {
  const tarball = await archive(files);
  const path = `/${name}/-/${version}.tgz`;
  answers.set(path, tarball);
  const known = answers.get(`/${name}`);
  const { versions = {} } = known === undefined ? {} : JSON.parse(known.toString());
  const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
  const dist = { tarball: `${setup.npmRegistry.slice(0, -1)}${path}`, integrity };
  answers.set(`/${name}`, Buffer.from(JSON.stringify({ versions: { ...versions, [version]: { dist, ...more } } })));
  return path;
}

describe("Node from npm's registry", () => {
  it("joins the program with the newest npm that runs on it", async () => {
    await offer(`node-linux-${ARCH}`, "20.1.0", node("20.1.0"));
    for (const [version, range] of [
      ["10.9.0", "^18 || >=20"],
      ["11.0.0", ">=22"],
      ["12.0.0-pre", "*"],
    ] as const) {
      await offer("npm", version, { "bin/npm-cli.js": version }, { engines: { node: range } });
    }
    const { directory } = await addTool("node@20", setup);
    expect(await readdir(join(directory, "bin"))).toEqual(expect.arrayContaining(["node", "npm", "npx"]));
    expect((await stat(join(directory, "bin/npm"))).size).toBe("10.9.0".length);
  });

  it("is not asked for where Node's own releases can be reached, which are held against their hashes", async () => {
    const name = `node-v22.3.0-linux-${ARCH}.tar.gz`;
    const tarball = await archive({ ...node("22.3.0"), "lib/node_modules/npm/x": "npm" });
    const index = [
      { version: "v22.3.0", files: [`linux-${ARCH}`] },
      { version: "v22.4.0", files: ["win-x64"] },
    ];
    answers.set("/nodejs/index.json", Buffer.from(JSON.stringify(index)));
    answers.set(`/nodejs/v22.3.0/${name}`, tarball);
    const sum = (bytes: Buffer) => Buffer.from(`${createHash("sha256").update(bytes).digest("hex")}  ${name}\n`);
    answers.set("/nodejs/v22.3.0/SHASUMS256.txt", sum(Buffer.from("another")));
    await expect(addTool("node@22", setup)).rejects.toThrow("it is not what its registry says it is");
    answers.set("/nodejs/v22.3.0/SHASUMS256.txt", sum(tarball));
    expect(await addTool("node@22", setup)).toMatchObject({ version: "22.3.0" });
    expect(asked.filter((path) => path.startsWith("/node-linux"))).toEqual([]);
  });

  it("refuses bytes that are not what the registry promised", async () => {
    const path = await offer(`node-linux-${ARCH}`, "20.1.0", node("20.1.0"));
    answers.set(path, await archive(node("20.1.0 but evil")));
    await expect(addTool("node@20", setup)).rejects.toThrow("it is not what its registry says it is");
    expect(await listTools(dataDir)).toEqual([]);
  });
});
