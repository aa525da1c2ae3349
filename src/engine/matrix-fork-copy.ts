/**
 * A job as another cell of its matrix goes on from it: the machine that was saved, the engine's state of the same moment, and what
 * became of the steps that the two share. As secret as what the job knows.
 */
import type { Masker } from "../joblog/masker.ts";
import type { JobClaims } from "../service/services.ts";
import type { JobMachine } from "./job-run.ts";
import type { SharedSteps } from "./matrix-fork-shared.ts";
import type { Resumption } from "./resumption.ts";
import { readSavedJob } from "./saved-job.ts";
import { tokenForms } from "./token-forms.ts";

/** By what the services know a job. */
export interface JobTokens {
  readonly job: string;
  /** As `ServiceVariables.tokens`. */
  readonly services: readonly string[];
}

/** A moment of a job that several copies are made of. */
export interface ForkMoment {
  readonly run: string;
  readonly directory: string;
  /** `writeSavedJob`. */
  readonly engine: Buffer;
  readonly tokens: JobTokens;
  /** Its own, and those of the jobs that it went on from itself. */
  readonly formerTokens: readonly string[];
  readonly shared: SharedSteps;
  /** What the job took until then: it counts against the time limit of each cell. */
  readonly usedMs: number;
}

/** One cell's share in a moment. Disposing gives it up, twice is safe; with the last one the machine's directory is removed. */
export interface Copy extends AsyncDisposable {
  readonly moment: ForkMoment;
}

/** Everything in it is this cell's own. */
export function resumptionOfCopy({ run, directory, engine, shared }: ForkMoment): Resumption {
  const saved = readSavedJob(engine);
  return { run, saved, machine: { ...saved.machine, directory }, shared };
}

/** Puts the cell's own tokens in the place of those of the saved job, wherever steps have kept them as variable, output or state. */
export function takeOwnTokens(state: object, from: JobTokens, to: JobTokens): void {
  const [old, own] = [from, to].map(({ job, services }) => [...tokenForms(job), ...services]);
  const pairs = (old ?? []).flatMap((token, index) => {
    const other = own?.[index];
    return other === undefined || other === token ? [] : [[token, other] as const];
  });
  replaceIn(state, (text) => pairs.reduce((sum, [token, other]) => sum.replaceAll(token, other), text));
}

type FormerMachine = Pick<JobMachine, "openJob"> & { readonly layout: Pick<JobMachine["layout"], "servicesUrl"> };

/**
 * In a copy of its machine the token of the saved job stands for the cell: a checkout that was shared left it in the git configuration.
 * Until the answer is disposed.
 */
export async function admitFormerTokens(
  { openJob, layout }: FormerMachine,
  own: JobClaims,
  masker: Masker,
  former: readonly string[] = [],
): Promise<Disposable> {
  using opened = new DisposableStack();
  // Where the machine has no way of its own to the services they have another address in each, and no token helps.
  const others = layout.servicesUrl === undefined ? [] : former.filter((token) => token !== own.token);
  for (const token of new Set(others)) {
    const services = opened.use(await openJob({ ...own, token, startScan: () => masker.startScan() }));
    for (const secret of services.secrets) {
      masker.add(secret);
      opened.defer(() => masker.retire(secret));
    }
  }
  return opened.move();
}

/** For a job that others may go on from: there its tokens open something when it has ended. */
export function keepingTokens(masker: Masker): Pick<Masker, "add" | "retire" | "startScan"> {
  return { add: (token) => masker.add(token), retire: () => undefined, startScan: () => masker.startScan() };
}

function replaceIn(value: object, replace: (text: string) => string, seen = new Set<object>()): void {
  if (seen.has(value)) return;
  seen.add(value);
  for (const [key, one] of Object.entries(value)) {
    if (typeof one === "string") Reflect.set(value, key, replace(one));
    else if (typeof one === "object" && one !== null) replaceIn(one, replace, seen);
  }
}
