/** The variables by which the steps of a job reach the services: `ACTIONS_*`, by kind of step (ACTIONS-CONTRACT §1.3). */
import type { Masker } from "../joblog/masker.ts";
import type { JobClaims, JobServices, ServedJob } from "../service/services.ts";
import { tokenForms } from "./token-forms.ts";

type Variables = Readonly<Record<string, string>>;

export interface ServiceVariables {
  /** JavaScript actions alone get the runtime token. */
  forAction(): Promise<Variables>;
  /** Scripts. */
  forScript(): Promise<Variables>;
  /** Where the job reaches GitHub's API; undefined where nothing serves it. Opens the services. */
  apiUrl(): Promise<string | undefined>;
  /** By which the services know the job, always in the same order; empty where they were not opened. */
  tokens(): Promise<readonly string[]>;
}

/**
 * The services are opened to the job by the first step that needs them: on the host nothing of them is loaded before that.
 * Disposal closes them: the job's tokens open nothing after it.
 */
export function serveJob(
  machine: { readonly openJob: (job: ServedJob) => Promise<JobServices> },
  claims: JobClaims,
  masker: Pick<Masker, "add" | "retire" | "startScan">,
): ServiceVariables & AsyncDisposable {
  let opened: Promise<JobServices> | undefined;
  const open = async (): Promise<JobServices> => {
    const services = await machine.openJob({ ...claims, startScan: () => masker.startScan() });
    for (const secret of services.secrets) masker.add(secret);
    return services;
  };
  const get = (): Promise<JobServices> => (opened ??= open());
  return {
    async forAction() {
      const { stepVariables, actionVariables } = await get();
      return { ...stepVariables, ...actionVariables };
    },
    // What scripts get is an identity, and only jobs that may ask for one.
    forScript: async () => (claims.permissions["id-token"] === "write" ? (await get()).stepVariables : {}),
    apiUrl: async () => (await get()).apiUrl,
    // One that could not be opened was the trouble of the step that wanted it.
    tokens: async () => (await opened?.catch(() => undefined))?.secrets ?? [],
    async [Symbol.asyncDispose]() {
      // One that could not be opened was the trouble of the step that wanted it.
      const services = await opened?.catch(() => undefined);
      services?.[Symbol.dispose]();
      for (const token of [...tokenForms(claims.token), ...(services?.secrets ?? [])]) masker.retire(token);
    },
  };
}
