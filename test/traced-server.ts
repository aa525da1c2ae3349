/** `hearth serve` under strace(1), which Debian has as a package: one that records what it does, or answers in the kernel's place. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { ROOT } from "./run-hearth.ts";
import type { Sandbox } from "./run-hearth.ts";
import { SECRET } from "./running-server.ts";

export interface TracedServer extends Disposable {
  /** Undefined: it ended before it listened. */
  readonly url: string | undefined;
  /** The server's exit code, which strace hands on. */
  readonly ended: Promise<number | null>;
  readonly stderr: Promise<string>;
  /** Asks the server, not strace, to end. */
  stop(): void;
}

const ENDS_WITHIN_MS = 120_000;

/** Its state is below `stateOf(box)`. Resolves when it says its address, or has ended. Whoever disposes of it before its end kills it. */
export async function serveTraced(box: Sandbox, tracing: readonly string[]): Promise<TracedServer> {
  const env = {
    ...process.env,
    PORT: "0",
    HEARTH_STATE: stateOf(box),
    XDG_RUNTIME_DIR: join(box.directory, "run"),
    TMPDIR: box.temporary,
    GITHUB_WEBHOOK_SECRET: SECRET,
    GITHUB_TOKEN: "",
    REPOSITORY_PATH: "",
    LOG_LEVEL: "error",
  };
  const serving = [process.execPath, join(ROOT, "src", "main.ts"), "serve", "--provider", "host"];
  const child = spawn("strace", ["-f", "--seccomp-bpf", "-qq", ...tracing, ...serving], {
    cwd: box.directory,
    env,
    // A group of its own: strace and what it traces end together.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { pid } = child;
  if (pid === undefined) throw new Error("strace did not start");
  let isOver = false;
  const ended = new Promise<number | null>((resolve) => {
    child.once("close", (code) => {
      isOver = true;
      resolve(code);
    });
  });
  const stderr = text(child.stderr);
  const kill = (): void => void (isOver || process.kill(-pid, "SIGKILL"));
  const late = setTimeout(kill, ENDS_WITHIN_MS);
  const url = await addressIn(child.stdout, ended);
  return {
    url,
    ended,
    stderr,
    stop: () => process.kill(Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")), "SIGTERM"),
    [Symbol.dispose]() {
      clearTimeout(late);
      kill();
    },
  };
}

export function stateOf(box: Sandbox): string {
  return join(box.directory, "state");
}

async function addressIn(stdout: NodeJS.ReadableStream, ended: Promise<unknown>): Promise<string | undefined> {
  let seen = "";
  const found = new Promise<string>((resolve) => {
    stdout.on("data", (chunk: Buffer) => {
      seen += String(chunk);
      const url = /address +(?<url>http:\S+)/u.exec(seen)?.groups?.["url"];
      if (url !== undefined) resolve(url);
    });
  });
  return Promise.race([found, ended.then(() => undefined)]);
}
