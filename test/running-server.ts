/** `hearth serve` in a sandbox, repositories for it, and deliveries signed as GitHub signs them. */
import { execFileSync } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { RunningHearth, Sandbox } from "./run-hearth.ts";

export const SECRET = "0123456789abcdef0123456789abcdef";

export interface RunningServer {
  readonly url: string;
  readonly process: RunningHearth;
}

/** Resolves when it says its address. Rejects with what it said when it ends before. */
export async function startServer(
  box: Sandbox,
  env: Record<string, string>,
  args: readonly string[] = ["--provider", "host"],
): Promise<RunningServer> {
  const started = box.start(["serve", ...args], { env });
  const url = await new Promise<string>((resolve, reject) => {
    let seen = "";
    started.stdout.on("data", (chunk: Buffer) => {
      seen += String(chunk);
      const found = /address +(?<url>http:\S+)/u.exec(seen)?.groups?.["url"];
      if (found !== undefined) resolve(found);
    });
    void started.ended.then(({ stderr }) => reject(new Error(`it ended: ${stderr}`)));
  });
  return { url, process: started };
}

/** Undefined: nobody answered. */
export async function deliver(
  { url }: { readonly url: string },
  event: string,
  payload: object,
  { guid = randomUUID(), secret = SECRET }: { readonly guid?: string; readonly secret?: string } = {},
): Promise<number | undefined> {
  const body = JSON.stringify(payload);
  const headers = {
    "content-type": "application/json",
    "x-github-event": event,
    "x-github-delivery": guid,
    "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
  };
  const answer = await fetch(`${url}/webhook`, { method: "POST", headers, body }).catch(() => undefined);
  await answer?.arrayBuffer().catch(() => undefined);
  return answer?.status;
}

/** What `look` finds, as soon as it does. Throws after `limitMs`. */
export async function until<T>(look: () => Promise<T | undefined> | T | undefined, limitMs = 90_000): Promise<T> {
  for (const deadlineMs = performance.now() + limitMs; performance.now() < deadlineMs;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("it never came");
}

export function git(cwd: string, ...args: string[]): string {
  const env = { PATH: process.env["PATH"], HOME: cwd, GIT_CONFIG_NOSYSTEM: "1" };
  const who = ["-c", "user.name=octocat", "-c", "user.email=octocat@example.org", "-c", "safe.directory=*"];
  return execFileSync("git", [...who, ...args], { cwd, env, encoding: "utf8" }).trim();
}

/** A working tree with one commit of these files on `main`, and a bare clone of it at `bare`. Answers the commit. */
export function createRepositories(work: string, bare: string, files: { readonly [path: string]: string }): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(work, path)), { recursive: true });
    writeFileSync(join(work, path), text);
  }
  git(work, "init", "--quiet", "--initial-branch=main");
  git(work, "add", ".");
  git(work, "commit", "--quiet", "--message=one");
  mkdirSync(dirname(bare), { recursive: true });
  git(work, "clone", "--quiet", "--bare", work, bare);
  return git(work, "rev-parse", "HEAD");
}
