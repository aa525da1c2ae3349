/**
 * `hearth backup` and `hearth restore`: everything that a state directory holds but caches and mirrors, which can be made again. The
 * databases are copied by SQLite itself, so that a backup is of one moment also while a server writes; a record that grows is cut
 * at a whole line when it is read again.
 */
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { BackupSummary } from "./commands/server-door.ts";
import { EngineError } from "./lib/engine-error.ts";
import { runCommand } from "./lib/run-command.ts";
import { lockState } from "./server/database.ts";
import { SERVER_DATABASE } from "./server/sqlite-server-store.ts";

interface StatePlaces {
  readonly stateDir: string;
  /** The server's own, below it. */
  readonly directory: string;
}

/** Of the state directory: databases first, since what they speak of is never removed before them. */
const DATABASES = [join("server", SERVER_DATABASE), "artifacts.db", "secrets.db"];
const FILES = ["runs", "run-numbers", join("blobs", "artifacts"), join("server", "api-tokens.json")];

export async function backUp({ stateDir }: StatePlaces, typed: string): Promise<BackupSummary> {
  const file = resolve(typed);
  if (existsSync(file)) throw new EngineError("BAD_USAGE", `Cannot write ${file}: it is there already`);
  const databases = DATABASES.filter((name) => existsSync(join(stateDir, name)));
  if (databases.length === 0 && !existsSync(join(stateDir, "runs"))) {
    throw new EngineError("BAD_USAGE", `There is nothing to back up in ${stateDir}`);
  }
  const staging = await mkdtemp(join(dirname(file), ".hearth-backup-"));
  try {
    for (const name of databases) {
      await mkdir(dirname(join(staging, name)), { recursive: true, mode: 0o700 });
      copyDatabase(join(stateDir, name), join(staging, name));
    }
    const files = FILES.filter((name) => existsSync(join(stateDir, name)));
    const partial = join(staging, "partial.tar.gz");
    // Made before tar writes into it, readable by its owner alone: it holds logs and hashes of tokens.
    await (await open(partial, "wx", 0o600)).close();
    // 1: a file changed while it was read, as the log of a run that goes on does.
    await tar(["-czf", partial, "-C", staging, ...databases, "-C", stateDir, ...files], [0, 1]);
    const runs = await runsIn(stateDir);
    await rename(partial, file);
    return { file, runs, sizeBytes: (await stat(file)).size };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

export async function restore(
  { stateDir, directory }: StatePlaces,
  typed: string,
  force: boolean,
): Promise<BackupSummary> {
  const file = resolve(typed);
  const { size: sizeBytes } = await stat(file).catch((error: unknown) => {
    throw new EngineError("BAD_USAGE", `Cannot read ${file}: ${messageOf(error)}`, { cause: error });
  });
  const holds = ["runs", "artifacts.db", join("server", SERVER_DATABASE)].some((name) =>
    existsSync(join(stateDir, name)),
  );
  await using lock = await lockState(directory);
  if (holds && !force) {
    throw new EngineError("BAD_USAGE", `There is something in ${stateDir} already`, {
      hint: "--force replaces it; what is there now is kept beside it.",
    });
  }
  const staging = await mkdtemp(`${stateDir}.restore-`);
  try {
    await tar(["-xzf", file, "-C", staging, "--no-same-owner"], [0]);
    for (const name of DATABASES) if (existsSync(join(staging, name))) checkDatabase(join(staging, name), file);
    await takePlace(stateDir, staging);
    return { file, runs: await runsIn(stateDir), sizeBytes };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** What was there goes aside, so that nothing of it is mixed with what comes. The lock's own file stays where it is. */
async function takePlace(stateDir: string, staging: string): Promise<void> {
  const aside = await mkdtemp(`${stateDir}.before-restore-`);
  const replaced = [...DATABASES, ...DATABASES.flatMap((name) => [`${name}-wal`, `${name}-shm`]), ...FILES];
  for (const name of replaced) {
    if (existsSync(join(stateDir, name))) await move(join(stateDir, name), join(aside, name));
    if (existsSync(join(staging, name))) await move(join(staging, name), join(stateDir, name));
  }
  if ((await readdir(aside)).length === 0) await rm(aside, { recursive: true });
}

async function move(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  try {
    await rename(from, to);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EXDEV")) throw error;
    await cp(from, to, { recursive: true, preserveTimestamps: true });
    await rm(from, { recursive: true, force: true });
  }
}

function copyDatabase(from: string, to: string): void {
  const database = new DatabaseSync(from, { readOnly: true, timeout: 5_000 });
  try {
    database.prepare("VACUUM INTO ?").run(to);
  } finally {
    database.close();
  }
}

function checkDatabase(path: string, file: string): void {
  let check: unknown;
  try {
    const database = new DatabaseSync(path, { readOnly: true });
    check = Object.values(database.prepare("PRAGMA quick_check(1)").get() ?? {})[0];
    database.close();
  } catch (error) {
    check = messageOf(error);
  }
  if (check !== "ok")
    throw new EngineError("STATE_UNREADABLE", `Cannot use ${file}: its database is damaged (${String(check)})`);
}

async function tar(args: readonly string[], good: readonly number[]): Promise<void> {
  const { code, stderr } = await runCommand(["tar", ...args]);
  if (code !== null && good.includes(code)) return;
  throw new EngineError(
    "STATE_UNREADABLE",
    `tar ended with ${String(code)}: ${stderr.trim().split("\n").at(-1) ?? ""}`,
  );
}

async function runsIn(stateDir: string): Promise<number> {
  return (await readdir(join(stateDir, "runs")).catch(() => [])).length;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
