/**
 * Whose workflows this server runs: those of this host; and of GitHub, where deliveries are signed, those that the operator has listed.
 * Without a list whoever knows the secret is who set the webhook, and says which repository it is; an App is installed by others, so it
 * is refused without one (`server-config.ts`). Pure.
 */
import type { RepositoryName } from "../git/remote-url.ts";

export interface ServedSettings {
  readonly local: readonly RepositoryName[];
  readonly webhookSecret: string | undefined;
  /** `owner/name` or `owner/*` in lower case; undefined: all that sign. */
  readonly repositories: readonly string[] | undefined;
}

export function isServed({ local, webhookSecret, repositories }: ServedSettings, repository: string): boolean {
  if (isOneOf(local, repository)) return true;
  if (webhookSecret === undefined) return false;
  const name = repository.toLowerCase();
  const [owner = ""] = name.split("/");
  return repositories?.some((one) => one === name || one === `${owner}/*`) ?? true;
}

export function isOneOf(local: readonly RepositoryName[], repository: string): boolean {
  return local.some(({ owner, name }) => `${owner}/${name}`.toLowerCase() === repository.toLowerCase());
}
