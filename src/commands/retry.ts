/**
 * `hearth retry`: runs on from a checkpoint of a kept run, with the workflow as it is now. What was before stays as it ran then; a
 * change to it is named, and refused unless it is said to be right.
 */
import { overlay } from "../lib/overlay.ts";
import { decide } from "./decide.ts";
import { plainText } from "./display-text.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { openMoment } from "./open-moment.ts";
import { planFromMoment } from "./plan-from-moment.ts";
import { readEnv, readSecrets } from "./request.ts";
import type { EnvOptions, SecretOptions } from "./request.ts";
import { exitCodeOfRefused } from "./sort-results.ts";
import { syncTree } from "./sync-tree.ts";
import { startRuns } from "./start-runs.ts";
import type { ViewOptions } from "./start-runs.ts";
import type { Terminal } from "./terminal.ts";

export interface RetryOptions extends SecretOptions, EnvOptions, ViewOptions {
  /** A step as people name it; undefined: the first that failed. */
  readonly from?: string;
  readonly job?: string;
  /** What changed before the checkpoint is to be left as it ran. */
  readonly stale?: boolean;
  /** What has changed in the working tree since the run began is put into the machine first. */
  readonly sync?: boolean;
  readonly checkpoint?: "auto" | "steps" | "off";
}

/** `prefix`: of a run's id; undefined: the latest. */
export async function retry(
  hearth: Hearth,
  terminal: Terminal,
  prefix: string | undefined,
  options: RetryOptions,
): Promise<ExitCode> {
  const { run, state } = await hearth.store.find(prefix);
  if (state.status === "in_progress") {
    return await decide(hearth, terminal, run, { decision: "retry", job: options.job });
  }
  const secrets = await readSecrets(options, terminal);
  try {
    return await goOn(hearth, terminal, run, { options, secrets });
  } finally {
    await hearth.close();
  }
}

interface RetryWish {
  readonly options: RetryOptions;
  readonly secrets: { readonly [name: string]: string };
}

async function goOn(
  hearth: Hearth,
  terminal: Terminal,
  run: string,
  { options, secrets }: RetryWish,
): Promise<ExitCode> {
  await using opened = await openMoment(hearth, run, { step: options.from, job: options.job });
  const json = options.json === true;
  const planned = await planFromMoment(hearth, terminal, opened, { secrets, stale: options.stale === true, json });
  const { selection, sorted, going } = planned;
  if (going === undefined) return exitCodeOfRefused(sorted.refused);

  const say = (text: string): void => terminal.err.write(`${plainText(text)}\n`);
  const from = opened.checkpoint.run;
  const prepare = options.sync === true ? await syncTree(hearth, from, selection.repository, say) : undefined;
  const env = await readEnv(options);
  const chosen = await hearth.chooseProvider(opened.checkpoint.provider);
  const when = options.checkpoint ?? (terminal.live ? "auto" : "off");
  return await startRuns(hearth, terminal, {
    selection,
    sorted,
    chosen,
    view: options,
    again: false,
    optionsOf: () => ({
      secrets: overlay(selection.secrets, secrets),
      env,
      machinePer: "workflow",
      skipUnsupported: false,
      earlier: going.earlier,
      resumption: { ...going.resumption, ...(prepare === undefined ? {} : { prepare }) },
      ...(when === "off" ? {} : { checkpoints: { when, keep: options.checkpoint !== undefined } }),
    }),
  });
}
