/** `hearth actions`: the actions of other repositories that are kept on this host, for runs without a network. */
import type { KeptAction } from "../git/kept-actions.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { changeRow, manageRequest, reportFailures } from "./lock.ts";
import { alignColumns, writeTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export interface ListActionsOptions {
  readonly json?: boolean;
}

export interface PruneActionsOptions {
  readonly olderThan?: number;
}

export async function fetchActions(
  { actions }: Hearth,
  terminal: Terminal,
  path: string | undefined,
): Promise<ExitCode> {
  const report = await actions.fetch(manageRequest(path, terminal));
  for (const line of alignColumns(report.changes.map(changeRow))) terminal.out.write(`${line}\n`);
  reportFailures(terminal, report);
  const { changes, failures } = report;
  terminal.out.write(`${counted(changes.length, "reference")} kept, ${failures.length} not found\n`);
  return failures.length === 0 ? exitCode.success : exitCode.machine;
}

export async function listActions(
  { actions }: Hearth,
  { out, err }: Terminal,
  { json }: ListActionsOptions,
): Promise<ExitCode> {
  const kept = await actions.list();
  if (json === true) {
    out.write(`${JSON.stringify(kept.map(actionDocument), undefined, 2)}\n`);
    return exitCode.success;
  }
  if (kept.length === 0) {
    err.write("No actions are kept: `hearth run` and `hearth actions fetch` keep what they fetch.\n");
    return exitCode.success;
  }
  const rows = kept.map((action) => [labelOf(action), action.sha, dayOf(action), plainText(action.host)]);
  writeTable(out, ["ACTION", "COMMIT", "USED", "SERVER"], rows);
  return exitCode.success;
}

export async function verifyActions({ actions }: Hearth, { out, err }: Terminal): Promise<ExitCode> {
  const { verified, lacking } = await actions.verify();
  const broken = verified.filter(({ fault }) => fault !== undefined);
  for (const { action, fault } of broken) err.write(`${labelOf(action)}: ${plainText(fault ?? "")}\n`);
  for (const reference of lacking) err.write(`${plainText(reference)}: pinned by the lock file, and not kept\n`);
  out.write(`${counted(verified.length, "action")} read, ${broken.length} broken, ${lacking.length} lacking\n`);
  return broken.length + lacking.length === 0 ? exitCode.success : exitCode.machine;
}

/** By default what was not used for 30 days. */
export async function pruneActions(
  { actions }: Hearth,
  terminal: Terminal,
  { olderThan }: PruneActionsOptions,
): Promise<ExitCode> {
  const removed = await actions.prune(new Date(terminal.now() - (olderThan ?? DEFAULT_AGE_MS)));
  const { out } = terminal;
  for (const action of removed) out.write(`${labelOf(action)}\n`);
  out.write(`${counted(removed.length, "action")} removed\n`);
  return exitCode.success;
}

const DEFAULT_AGE_MS = 30 * 24 * 60 * 60_000;

function actionDocument({ host, repository, sha, names, usedAt }: KeptAction) {
  return { host, repository, sha, names, usedAt: usedAt.toISOString() };
}

function labelOf({ repository, names, sha }: KeptAction): string {
  return plainText(`${repository}@${names.length === 0 ? sha : names.join(",")}`);
}

function dayOf({ usedAt }: KeptAction): string {
  return usedAt.getTime() === 0 ? "" : usedAt.toISOString().slice(0, 10);
}
