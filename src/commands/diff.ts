/**
 * `hearth diff`: what a step of a kept run did, told from the checkpoints around it. Both are restored, without a network, and looked
 * into from inside by a program of Hearth's (docs/diff.md says what that can and cannot see).
 */
import { EngineError } from "../lib/engine-error.ts";
import { Masker } from "../joblog/masker.ts";
import type { RunRecord } from "../store/run-record.ts";
import { Cancelled } from "./cancelled.ts";
import { compareKept } from "./compare-kept.ts";
import { MAX_CONTENT_BYTES } from "./diff-content.ts";
import { diffDocument } from "./diff-document.ts";
import type { DiffDocument } from "./diff-document.ts";
import { diffLines } from "./diff-lines.ts";
import { diffMoments } from "./diff-moments.ts";
import type { DiffMoments } from "./diff-moments.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import { findMoment } from "./find-moment.ts";
import type { Hearth } from "./hearth.ts";
import type { EgressEvent } from "./network-lines.ts";
import { checkpointsOf, openKept } from "./open-moment.ts";
import { readRecord } from "./read-record.ts";
import type { Terminal } from "./terminal.ts";

export interface DiffOptions {
  readonly job?: string;
  /** Absolute, in the machine; else below the workspace. */
  readonly path?: string;
  readonly content?: boolean;
  readonly all?: boolean;
  readonly json?: boolean;
}

/** Throws RUN_NOT_FOUND, BAD_USAGE, CHECKPOINT_NOT_FOUND, CHECKPOINT_UNUSABLE and what machines throw. */
export async function diff(
  hearth: Hearth,
  terminal: Terminal,
  prefix: string,
  steps: { readonly first: string; readonly second: string | undefined },
  options: DiffOptions,
): Promise<ExitCode> {
  const { out, err } = terminal;
  const stop = new AbortController();
  const stopListening = terminal.onInterrupt(() => stop.abort(new Cancelled()));
  try {
    const stored = await hearth.store.find(prefix);
    const record = await readRecord(hearth.store, stored);
    const first = findMoment(stored.run, record, { step: steps.first, job: options.job });
    const second =
      steps.second === undefined
        ? undefined
        : findMoment(stored.run, record, { step: steps.second, job: options.job ?? first.job });
    const moments = diffMoments(await checkpointsOf(hearth, stored.run, record), record, first, second);
    if (options.json !== true) {
      const { from, to } = moments;
      err.write(plainText(`Looks into job ${from.job} before step ${from.step} and before step ${to.step}`) + "\n");
    }
    const document = await documentOf(hearth, stored.run, record, moments, options, stop.signal);
    if (options.json === true) out.write(`${JSON.stringify(document, null, 2)}\n`);
    else for (const line of diffLines(document, options.all === true)) out.write(`${line}\n`);
    return exitCode.success;
  } finally {
    stopListening();
    await hearth.close();
  }
}

async function documentOf(
  hearth: Hearth,
  run: string,
  record: RunRecord,
  moments: DiffMoments,
  { path, content }: DiffOptions,
  signal: AbortSignal,
): Promise<DiffDocument> {
  await using from = await openKept(hearth, moments.from);
  await using to = await openKept(hearth, moments.to);
  const { shell } = to.saved;
  const directory = path === undefined ? undefined : insideOf(shell.cwd, path);
  const wish = { prefix: "diff", directory, contentBytes: content === true ? MAX_CONTENT_BYTES : undefined };
  const { changes, temp } = await compareKept(hearth, [from, to], wish, signal);
  const masker = Masker.restore(to.saved.masks);
  masker.addSecrets(Object.fromEntries(from.saved.masks.values.map((value, index) => [`earlier ${index}`, value])));
  const states = { before: from.saved.state, after: to.saved.state };
  const egress = await egressOf(hearth.store, run, record, moments.from.job, moments.steps);
  return diffDocument({ run, moments, changes, states, shell, temp, egress, masker });
}

function insideOf(workspace: string, path: string): string {
  const whole = path.startsWith("/") ? path : `${workspace}/${path}`;
  const parts = whole.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes(".."))
    throw new EngineError("BAD_USAGE", `--path ${path} holds '..': name a directory in the machine`);
  return `/${parts.join("/")}`;
}

/** Of the steps between, whichever run they ran in. */
async function egressOf(
  store: Hearth["store"],
  run: string,
  record: RunRecord,
  job: string,
  steps: DiffMoments["steps"],
): Promise<readonly EgressEvent[]> {
  const wanted = new Set(steps.map(({ number }) => String(number)));
  const found: EgressEvent[] = [];
  for await (const event of store.read(run)) {
    if (event.type === "egress" && event.job === job && wanted.has(event.step)) found.push(event);
  }
  const { from } = record;
  const earlier = steps.filter(({ number }) => from !== undefined && number < from.step);
  if (from === undefined || earlier.length === 0) return found;
  const parent = (await store.list()).find((one) => one.run === from.run);
  if (parent === undefined) return found;
  return [...(await egressOf(store, parent.run, await readRecord(store, parent), job, earlier)), ...found];
}
