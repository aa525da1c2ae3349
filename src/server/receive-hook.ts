/**
 * A push to a bare repository of this host, told to the server as GitHub would tell it: `post-receive` has one line for each ref, and each
 * becomes a signed delivery of the event push. Source: githooks(5), ACTIONS-CONTRACT §7.1.
 */
import { createHash, randomUUID } from "node:crypto";
import { request } from "node:http";
import type { RequestOptions } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { bareRepository, findCommit } from "../git/file-at-commit.ts";
import { git } from "../git/git.ts";
import { EngineError } from "../lib/engine-error.ts";
import { ZERO_SHA } from "../plan/event-revision.ts";
import type { LocalRepository } from "./repository-path.ts";
import { signatureOf } from "./webhook-signature.ts";

export interface ReceivedPush {
  readonly before: string;
  readonly after: string;
  readonly ref: string;
}

export interface HookSettings {
  /** `http://127.0.0.1:8080/webhook`. */
  readonly url: string;
  /** Undefined: by TCP. */
  readonly socketPath: string | undefined;
  /** Empty: the server takes unsigned deliveries of its own host. */
  readonly secret: string;
  /** Login of who pushed. */
  readonly pusher: string;
  readonly nowMs: number;
  readonly retryAfterMs?: number;
}

/** As GitHub lists of one push, before it only counts them. */
const MAX_COMMITS = 20;
const TRIES = 4;
const RETRY_AFTER_MS = 500;
const ANSWER_DEADLINE_MS = 15_000;

/** What git gives the hook on stdin. Lines of another form are left out. */
export function parseReceived(stdin: string): readonly ReceivedPush[] {
  return stdin.split("\n").flatMap((line) => {
    const { before, after, ref } =
      /^(?<before>[0-9a-f]{40}) (?<after>[0-9a-f]{40}) (?<ref>refs\/\S+)$/u.exec(line)?.groups ?? {};
    return before === undefined || after === undefined || ref === undefined ? [] : [{ before, after, ref }];
  });
}

/** Resolves when the server has all of them. Throws GIT_FAILED, naming what was not taken: the push itself has happened all the same. */
export async function sendReceived(
  repository: LocalRepository,
  pushes: readonly ReceivedPush[],
  settings: HookSettings,
): Promise<void> {
  const failed: string[] = [];
  for (const push of pushes) {
    const body = Buffer.from(JSON.stringify(await payloadOfPush(repository, push, settings)));
    const fault = await send(body, settings);
    if (fault !== undefined) failed.push(`${push.ref}: ${fault}`);
  }
  if (failed.length === 0) return;
  throw new EngineError("GIT_FAILED", `Cannot tell Hearth of the push to ${failed.join("; ")}`, {
    hint: "The push itself is done. Is the server running, and is the secret the same?",
  });
}

/** Exported for tests: what `github.event` shows. */
export async function payloadOfPush(
  { owner, name, gitDir }: LocalRepository,
  { before, after, ref }: ReceivedPush,
  { pusher, nowMs }: Pick<HookSettings, "pusher" | "nowMs">,
): Promise<object> {
  const place = bareRepository(gitDir);
  const isDeleted = after === ZERO_SHA;
  const isCreated = before === ZERO_SHA;
  const head = isDeleted ? undefined : await findCommit(place, [after]);
  const commits = head === undefined ? [] : await commitsOf(gitDir, before, head, ref);
  const [headCommit] = head === undefined ? [] : await readCommits(gitDir, ["--max-count=1", head]);
  const branch = (await git(["symbolic-ref", "--quiet", "--short", "HEAD"], { ...place, answers: [1] }))
    .toString()
    .trim();
  return {
    ref,
    before,
    after,
    created: isCreated,
    deleted: isDeleted,
    forced: !isCreated && head !== undefined && !(await isAncestor(gitDir, before, head)),
    base_ref: null,
    compare: "",
    commits,
    head_commit: headCommit ?? null,
    repository: {
      id: Number.parseInt(createHash("sha256").update(`${owner}/${name}`).digest("hex").slice(0, 8), 16),
      name,
      full_name: `${owner}/${name}`,
      owner: { name: owner, login: owner, type: "User" },
      private: true,
      fork: false,
      default_branch: branch === "" ? "main" : branch,
      master_branch: branch === "" ? "main" : branch,
      pushed_at: Math.floor(nowMs / 1_000),
    },
    pusher: { name: pusher },
    sender: { login: pusher, type: "User" },
  };
}

interface PushedCommit {
  readonly id: string;
  readonly [member: string]: unknown;
}

/** The newest of them, oldest first, as GitHub has them. Of a new branch those that no other one has. */
async function commitsOf(gitDir: string, before: string, head: string, ref: string): Promise<readonly PushedCommit[]> {
  const known = await findCommit(bareRepository(gitDir), [before]);
  const range =
    known === undefined
      ? [head, "--not", `--exclude=${ref.replace(/^refs\/heads\//u, "")}`, "--branches"]
      : [head, `^${known}`];
  return (await readCommits(gitDir, [`--max-count=${MAX_COMMITS}`, ...range])).toReversed();
}

const FIELDS = ["%H", "%T", "%cI", "%an", "%ae", "%cn", "%ce", "%B"];

async function readCommits(gitDir: string, range: readonly string[]): Promise<PushedCommit[]> {
  const place = bareRepository(gitDir);
  const format = [`--format=${FIELDS.join("%x00")}`, "-z", "--no-show-signature"];
  const fields = (await git(["log", ...format, ...range, "--"], place)).toString().split("\0");
  const commits: { readonly id: string; readonly fields: readonly string[] }[] = [];
  for (let at = 0; at + FIELDS.length <= fields.length; at += FIELDS.length) {
    commits.push({ id: fields[at] ?? "", fields: fields.slice(at + 1, at + FIELDS.length) });
  }
  const changes = await changesOf(
    gitDir,
    commits.map(({ id }) => id),
  );
  return commits.map(({ id, fields: [tree, timestamp, an, ae, cn, ce, message] }) => ({
    id,
    tree_id: tree,
    distinct: true,
    message: message?.trimEnd(),
    timestamp,
    url: "",
    author: { name: an, email: ae },
    committer: { name: cn, email: ce },
    ...changesIn(changes.get(id) ?? []),
  }));
}

interface Change {
  readonly status: string;
  readonly path: string;
}

async function changesOf(gitDir: string, ids: readonly string[]): Promise<ReadonlyMap<string, readonly Change[]>> {
  const command = ["diff-tree", "--stdin", "--root", "-r", "-z", "--no-renames", "--name-status"];
  const printed = await git(command, { ...bareRepository(gitDir), input: ids.map((id) => `${id}\n`).join("") });
  const changes = new Map<string, Change[]>();
  let current: Change[] = [];
  const tokens = printed.toString().split("\0");
  for (let at = 0; at < tokens.length; at++) {
    const token = (tokens[at] ?? "").trim();
    if (/^[0-9a-f]{40}$/u.test(token)) changes.set(token, (current = []));
    else if (token !== "") current.push({ status: token, path: tokens[(at += 1)] ?? "" });
  }
  return changes;
}

function changesIn(changes: readonly Change[]): { readonly [kind: string]: readonly string[] } {
  const of = (...statuses: readonly string[]) =>
    changes.filter(({ status }) => statuses.includes(status)).map(({ path }) => path);
  return { added: of("A"), removed: of("D"), modified: of("M", "T") };
}

async function isAncestor(gitDir: string, before: string, after: string): Promise<boolean> {
  const place = bareRepository(gitDir);
  if ((await findCommit(place, [before])) === undefined) return false;
  const left = await git(["rev-list", "--max-count=1", before, `^${after}`, "--"], place);
  return left.toString().trim() === "";
}

/** Resolves to what is wrong. The GUID stays the same, so that a push whose answer was lost is not told twice. */
async function send(body: Buffer, settings: HookSettings): Promise<string | undefined> {
  const { secret, retryAfterMs = RETRY_AFTER_MS } = settings;
  const headers = {
    "content-type": "application/json",
    "content-length": String(body.length),
    "x-github-event": "push",
    "x-github-delivery": randomUUID(),
    ...(secret !== "" && { "x-hub-signature-256": signatureOf(secret, body) }),
  };
  for (let attempt = 1; ; attempt++) {
    const said = await post(body, headers, settings);
    if (said === 202) return undefined;
    const isFinal = typeof said === "number" && said < 500;
    if (isFinal || attempt === TRIES) return typeof said === "number" ? `it answered ${said}` : said;
    await delay(attempt * retryAfterMs);
  }
}

function post(
  body: Buffer,
  headers: NonNullable<RequestOptions["headers"]>,
  { url, socketPath }: HookSettings,
): Promise<number | string> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(ANSWER_DEADLINE_MS);
    const sent = request(url, {
      method: "POST",
      headers,
      signal,
      agent: false,
      ...(socketPath !== undefined && { socketPath }),
    });
    sent.once("response", (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.once("error", (error) => resolve(error.message));
    sent.end(body);
  });
}
