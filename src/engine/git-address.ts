/** Where git in a machine reaches the host's git endpoint, which alone has the commit of a local run (DESIGN §4). */
import type { JobRun } from "./job-run.ts";

/** No trailing slash. */
export async function gitAddress({ machine, masker }: JobRun): Promise<string> {
  const url = await machine.servicesUrl();
  // On the host it ends in a token that keeps other users of the computer out, and git prints the addresses it fetches from.
  const token = new URL(url).pathname.slice(1);
  if (token !== "") {
    masker.add(token);
    // Every checkout leaves it in `.git/FETCH_HEAD`, and it is gone with the machine: no reason to refuse an upload.
    masker.retire(token);
  }
  return url;
}

/**
 * Leads git to the endpoint when it is asked for the run's own repository on github.com, as an unmodified `actions/checkout`
 * does. In a guest the system's git settings do that for every repository; on the host they are the person's own, and other
 * repositories are reached as ever.
 */
export async function gitVariables(
  job: JobRun,
  base: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  if (job.machine.layout.servicesUrl !== undefined) return {};
  const { owner, name } = job.plan.event.repository;
  const count = Number(base["GIT_CONFIG_COUNT"] ?? 0);
  const place = Number.isSafeInteger(count) && count >= 0 ? count : 0;
  return {
    GIT_CONFIG_COUNT: String(place + 1),
    [`GIT_CONFIG_KEY_${place}`]: `url.${await gitAddress(job)}/${owner}/${name}.insteadOf`,
    [`GIT_CONFIG_VALUE_${place}`]: `https://github.com/${owner}/${name}`,
  };
}
