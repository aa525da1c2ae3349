/**
 * `hearth serve` on a disk whose fsync fails from the Nth time on, by strace(1), which answers EIO in the kernel's place
 * (SECURITY-RELIABILITY F16). Deliveries are sent until one is not taken; what was answered 202 is looked for afterwards.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { openServerStore } from "../src/server/sqlite-server-store.ts";
import { sandbox } from "./run-hearth.ts";
import { deliver } from "./running-server.ts";
import { serveTraced, stateOf } from "./traced-server.ts";

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

export async function serveUntilFsyncFails(nth: number): Promise<FsyncFaultEnd> {
  await using box = await sandbox();
  const inject = `inject=fsync,fdatasync:error=EIO:when=${nth}+`;
  using server = await serveTraced(box, ["-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", inject]);
  const { url } = server;
  const { acknowledged, takenAfterwards } = url === undefined ? NOTHING : await sendUntilRefused(url);
  const exitCode = await server.ended;
  const lost = url === undefined ? [] : missing(join(stateOf(box), "server"), acknowledged);
  return { exitCode, stderr: await server.stderr, acknowledged: acknowledged.length, lost, takenAfterwards };
}

const NOTHING = { acknowledged: [], takenAfterwards: 0 };

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
