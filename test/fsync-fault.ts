/**
 * `hearth serve` on a disk whose fsync fails from the Nth time on, by strace(1), which answers EIO in the kernel's place
 * (SECURITY-RELIABILITY F16). Deliveries are sent until one is not taken; what was answered 202 is looked for afterwards.
 */
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { openServerStore } from "../src/server/sqlite-server-store.ts";
import { ROOT, sandbox } from "./run-hearth.ts";
import { deliver, SECRET } from "./running-server.ts";

export interface FsyncFaultEnd {
  readonly exitCode: number | null;
  readonly stderr: string;
  readonly acknowledged: number;
  /** Acknowledged, and not in the database that was opened afterwards. */
  readonly lost: readonly string[];
  /** Answered with 202 after a delivery that was not. */
  readonly takenAfterwards: number;
}

/** Why the check cannot be made here; undefined: it can. */
export function whyNoStrace(): string | undefined {
  const tried = spawnSync("strace", ["-f", "-qq", "-o", "/dev/null", "-e", "inject=fsync:error=EIO:when=1+", "true"]);
  if (tried.error !== undefined) return "there is no strace";
  return tried.status === 0 ? undefined : "strace may not trace here";
}

/** Starts nothing, and is settled at once; two of the same content would be one. */
const star = (sender: string): object => ({
  action: "created",
  sender: { login: sender },
  repository: { full_name: "octo-org/hello" },
});

const MOST_DELIVERIES = 300;
const ENDS_WITHIN_MS = 120_000;

export async function serveUntilFsyncFails(nth: number): Promise<FsyncFaultEnd> {
  await using box = await sandbox();
  const env = {
    ...process.env,
    PORT: "0",
    HEARTH_STATE: join(box.directory, "state"),
    XDG_RUNTIME_DIR: join(box.directory, "run"),
    TMPDIR: box.temporary,
    GITHUB_WEBHOOK_SECRET: SECRET,
    GITHUB_TOKEN: "",
    REPOSITORY_PATH: "",
    LOG_LEVEL: "error",
  };
  const inject = `inject=fsync,fdatasync:error=EIO:when=${nth}+`;
  const tracing = ["-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", inject];
  const serving = [process.execPath, join(ROOT, "src", "main.ts"), "serve", "--provider", "host"];
  const child = spawn("strace", [...tracing, ...serving], {
    cwd: box.directory,
    env,
    // A group of its own: strace and what it traces end together.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const said = text(child.stderr);
  const late = setTimeout(() => child.pid !== undefined && process.kill(-child.pid, "SIGKILL"), ENDS_WITHIN_MS);
  try {
    const url = await addressIn(child.stdout, ended);
    const { acknowledged, takenAfterwards } = url === undefined ? NOTHING : await sendUntilRefused(url);
    const exitCode = await ended;
    const lost = url === undefined ? [] : missing(join(env.HEARTH_STATE, "server"), acknowledged);
    return { exitCode, stderr: await said, acknowledged: acknowledged.length, lost, takenAfterwards };
  } finally {
    clearTimeout(late);
  }
}

const NOTHING = { acknowledged: [], takenAfterwards: 0 };

/** Undefined: it ended before it listened. */
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

async function sendUntilRefused(url: string): Promise<{ acknowledged: readonly string[]; takenAfterwards: number }> {
  const acknowledged: string[] = [];
  for (let number = 1; number <= MOST_DELIVERIES; number += 1) {
    const guid = `star-${number}`;
    if ((await deliver({ url }, "star", star(guid), { guid })) !== 202) break;
    acknowledged.push(guid);
  }
  const after = await Promise.all(
    Array.from({ length: 5 }, (_, index) =>
      deliver({ url }, "star", star(`after-${index}`), { guid: `after-${index}` }),
    ),
  );
  return { acknowledged, takenAfterwards: after.filter((status) => status === 202).length };
}

/** Throws STATE_UNREADABLE where the database is damaged. */
function missing(directory: string, guids: readonly string[]): readonly string[] {
  using store = openServerStore(directory, { now: Date.now, monotonicMs: () => performance.now() });
  return guids.filter((guid) => store.deliveries.find(guid) === undefined);
}
