/** The server that `scripts/model-server.ts` builds: OpenAI's protocol on a port of its own, answers that keep to any schema and mean nothing. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";

export const MODEL_SERVER_DIRECTORY = join(
  process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
  "hearth-tests/model-server",
);

export function modelServerFiles(directory: string): { readonly python: string; readonly model: string } {
  return { python: join(directory, "python/bin/python"), model: join(directory, "tiny.gguf") };
}

export interface NonsenseServer extends AsyncDisposable {
  readonly url: string;
}

const READY_WITHIN_MS = 120_000;

export async function startNonsenseServer(): Promise<NonsenseServer> {
  const { python, model } = modelServerFiles(MODEL_SERVER_DIRECTORY);
  if (!existsSync(model)) throw new Error("There is no model's server: node scripts/model-server.ts builds it");
  const port = await freePort();
  const argv = [
    "-m",
    "llama_cpp.server",
    "--model",
    model,
    "--host",
    "127.0.0.1",
    "--port",
    String(port),
    "--n_ctx",
    "8192",
  ];
  const child = spawn(python, argv, { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = `http://127.0.0.1:${port}`;
  const server: NonsenseServer = {
    url,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
  try {
    await answering(`${url}/v1/models`);
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

async function answering(url: string): Promise<void> {
  for (const start = performance.now(); performance.now() - start < READY_WITHIN_MS;) {
    const isReady = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error("The model's server does not answer");
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof address === "object" && address !== null ? address.port : 0;
}
