/**
 * Whole commands on the host: a checkout of 10,000 files beside `git clone --depth 1`, and the first step of an action that is
 * fetched from a server beside one that this host has kept.
 */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createGitEndpoint } from "../src/service/git-endpoint.ts";
import { measure, printTimings } from "./measure.ts";

const FILES = 10_000;
const ROUNDS = 5;
const HEARTH = join(import.meta.dirname, "..", "dist", "main.js");

export async function measureActions(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), "hearth-bench-actions-"));
  try {
    await measureCheckout(scratch);
    await measureFirstStep(scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function measureCheckout(scratch: string): Promise<void> {
  const project = join(scratch, "large");
  const files = Array.from({ length: FILES }, (_, index): [string, string] => [
    `d${index % 100}/f${index}`,
    `${index}\n`.repeat(50),
  ]);
  commit(project, [...files, workflowOf("empty", "run: 'true'"), workflowOf("checkout", "uses: actions/checkout@v4")]);
  const run = (name: string): [string, ...string[]] => {
    const state = join(scratch, "state");
    const workflow = join(project, ".github/workflows", `${name}.yml`);
    return [process.execPath, HEARTH, "run", workflow, "--provider", "host", "--state", state];
  };
  const target = join(scratch, "clone");
  const clone = `rm -rf '${target}' && git clone -q --depth 1 'file://${project}' '${target}'`;
  const timings = await measure(
    [
      { name: `git clone --depth 1, ${FILES} files`, argv: ["sh", "-c", clone] },
      { name: "hearth run, checkout alone", argv: run("checkout") },
      { name: "hearth run, an empty step", argv: run("empty") },
    ],
    ROUNDS,
  );
  printTimings("Checkout, snapshot of the working tree included", timings);
}

async function measureFirstStep(scratch: string): Promise<void> {
  const action = join(scratch, "action");
  commit(action, [
    ["action.yml", "name: a\ndescription: d\nruns: { using: node24, main: main.js }\n"],
    ["main.js", "console.log(1);\n"],
  ]);
  const project = join(scratch, "user");
  const workflow = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{ uses: octo/action@main }]\n";
  commit(project, [[".github/workflows/a.yml", workflow]]);

  await using git = createGitEndpoint((_owner, name) => (name === "action" ? join(action, ".git") : undefined));
  const server = createServer((request, response) => {
    if (!git.handle(request, response, request.url ?? "")) response.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP listener has a port");
  const url = `http://127.0.0.1:${address.port}`;
  const kept = join(scratch, "kept");
  const run = (data: string): [string, ...string[]] => {
    const state = join(scratch, "state");
    const command = `'${process.execPath}' '${HEARTH}' run --provider host --state '${state}'`;
    return ["sh", "-c", `GITHUB_SERVER_URL=${url} HEARTH_DATA='${data}' ${command}`];
  };
  const cold = run(join(scratch, "cold"));
  const forget = `rm -rf '${join(scratch, "cold")}'`;
  const timings = await measure(
    [
      { name: "hearth run, its action kept on this host", argv: run(kept), cwd: project },
      { name: "hearth run, its action fetched first", argv: ["sh", "-c", `${forget}; ${cold[2] ?? ""}`], cwd: project },
    ],
    ROUNDS,
  );
  server.close();
  printTimings("First step of a remote action", timings);
}

function workflowOf(name: string, step: string): [path: string, content: string] {
  const workflow = `on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{ ${step} }]\n`;
  return [`.github/workflows/${name}.yml`, workflow];
}

function commit(directory: string, files: readonly (readonly [path: string, content: string])[]): void {
  for (const [path, content] of files) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
  const git = (...args: string[]): unknown => execFileSync("git", ["-C", directory, ...args], { stdio: "ignore" });
  git("init", "-q", "-b", "main");
  git("add", "-A");
  git("-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "b");
}
