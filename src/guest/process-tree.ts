/**
 * Finds and signals the processes that a command left or started, by what Linux shows in /proc. An exec's leader is the leader
 * of a session of its own, so its tree is that session and every descendant that made a session for itself. Where there is no
 * /proc (macOS, provider host) the process group has to do.
 */
import { readFileSync, readdirSync, statSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

type Signal = "SIGINT" | "SIGTERM" | "SIGKILL";

/** Rounds of looking and killing, because a process may fork while it is being looked at. */
const MAX_KILL_ROUNDS = 50;
/** Between rounds: killed processes take a moment to disappear. */
const ROUND_PAUSE_MS = 2;

/** Signals one process; nothing happens when it is gone. */
export function signalProcess(pid: number, signal: Signal): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** Signals the tree that `leader` started. SIGKILL is repeated until nothing of the tree is left. */
export async function signalTree(leader: number, signal: Signal): Promise<void> {
  const sessions = new Set([leader]);
  if (signal === "SIGKILL") return await killAll(() => treeOf(leader, sessions));
  for (const pid of treeOf(leader, sessions)) signalProcess(pid, signal);
}

/** Kills every process that carries `RUNNER_TRACKING_ID=<id>`, as GitHub's runner does at the end of a job (ACTIONS-CONTRACT §3.2). */
export async function killTracked(trackingId: string, options: { ownUserOnly: boolean }): Promise<void> {
  await killWhereEnvironment((entry) => entry === `RUNNER_TRACKING_ID=${trackingId}`, options);
}

/** Kills every process with such an entry (`NAME=value`) in its environment, but never this one or those that started it. */
export async function killWhereEnvironment(
  matches: (entry: string) => boolean,
  { ownUserOnly }: { ownUserOnly: boolean },
): Promise<void> {
  const spared = ancestors();
  await killAll(() =>
    allPids().filter(
      (pid) => !spared.has(pid) && (!ownUserOnly || isOwn(pid)) && environmentOf(pid).some((entry) => matches(entry)),
    ),
  );
}

async function killAll(find: () => number[]): Promise<void> {
  // Looked for twice: a process shows no environment and no session at the moment of its exec.
  let emptyLooks = 0;
  for (let round = 0; round < MAX_KILL_ROUNDS && emptyLooks < 2; round++) {
    const pids = find();
    emptyLooks = pids.length === 0 ? emptyLooks + 1 : 0;
    for (const pid of pids) signalProcess(pid, "SIGKILL");
    await delay(ROUND_PAUSE_MS);
  }
}

interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  readonly zombie: boolean;
}

/** `sessions` are those of the tree, and learns of more: by them a process is found again whose parent was killed meanwhile. */
function treeOf(leader: number, sessions: Set<number>): number[] {
  const processes = allPids().flatMap((pid) => statOf(pid) ?? []);
  if (processes.length === 0) return groupAlive(leader) ? [-leader] : [];
  const tree = new Set(
    processes.filter(({ pid, session }) => pid === leader || sessions.has(session)).map(({ pid }) => pid),
  );
  for (let before = -1; before !== tree.size;) {
    before = tree.size;
    for (const { pid, parent, session } of processes) {
      if (!tree.has(parent)) continue;
      tree.add(pid);
      // Whoever leads one has made it.
      if (session === pid) sessions.add(session);
    }
  }
  return processes.filter(({ pid, zombie }) => tree.has(pid) && !zombie).map(({ pid }) => pid);
}

function ancestors(): Set<number> {
  const found = new Set<number>([process.pid]);
  for (let pid = process.ppid; pid > 0 && !found.has(pid); pid = statOf(pid)?.parent ?? 0) found.add(pid);
  return found;
}

function allPids(): number[] {
  return read(() => readdirSync("/proc"), [])
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function statOf(pid: number): ProcessStat | undefined {
  const stat = read(() => readFileSync(`/proc/${pid}/stat`, "latin1"), "");
  // The command's name stands in parentheses and may hold anything, also parentheses.
  const [state, parent, , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (state === undefined || parent === undefined || session === undefined) return undefined;
  return { pid, parent: Number(parent), session: Number(session), zombie: state === "Z" || state === "X" };
}

function environmentOf(pid: number): string[] {
  return read(() => readFileSync(`/proc/${pid}/environ`, "utf8"), "").split("\0");
}

function isOwn(pid: number): boolean {
  return read(() => statSync(`/proc/${pid}`).uid, -1) === process.getuid?.();
}

function groupAlive(leader: number): boolean {
  return read(() => process.kill(-leader, 0), false);
}

/** Processes come and go while one looks; what is gone or not ours to see is as if it were not there. */
function read<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch (error) {
    if (isGone(error)) return otherwise;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOENT" || code === "ESRCH" || code === "EACCES" || code === "EPERM";
}
