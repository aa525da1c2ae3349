/** What `hearth serve` says of itself when it starts: what it is, and what does not work yet. Pure. */
import type { ServedHearth } from "./commands/server-door.ts";
import type { Config } from "./config.ts";
import type { RepositoryName } from "./git/remote-url.ts";
import type { ServerConfig } from "./server-config.ts";

export interface ServedAs {
  readonly settings: ServerConfig;
  readonly config: Pick<Config, "githubToken" | "serverUrl" | "stateDir">;
  readonly local: readonly RepositoryName[];
  readonly url: string;
  /** `gvisor, sandbox (gVisor)`. */
  readonly isolation: string;
}

export function factsOf({ settings, config, local, url, isolation }: ServedAs): ServedHearth["facts"] {
  const { app, publicUrl, webhookSecret } = settings;
  const token = config.githubToken === undefined ? "nobody" : "GITHUB_TOKEN, as statuses";
  return [
    { name: "address", value: url },
    { name: "webhook", value: `${publicUrl ?? url}/webhook` },
    {
      name: "signed",
      value: webhookSecret === undefined ? "no: only this host is heard" : "with GITHUB_WEBHOOK_SECRET",
    },
    { name: "repositories", value: repositoriesOf(settings, config, local) },
    { name: "isolation", value: isolation },
    { name: "reports to GitHub by", value: app === undefined ? token : `GitHub App ${app.id}, as checks` },
    { name: "state", value: config.stateDir },
  ];
}

export function missingOf({ settings, config, local }: ServedAs): readonly string[] {
  const { app, publicUrl, webhookSecret } = settings;
  const missing: string[] = [];
  if (local.length === 0 && webhookSecret === undefined) {
    missing.push("GITHUB_WEBHOOK_SECRET: GitHub's deliveries are not taken without it (hearth init server makes one)");
  }
  if (webhookSecret !== undefined && publicUrl === undefined) {
    missing.push("HEARTH_PUBLIC_URL: the address that GitHub sends to; requests to any other name are refused");
  }
  const isForGithub = local.length === 0 || webhookSecret !== undefined;
  if (isForGithub && app === undefined && config.githubToken === undefined) {
    missing.push("GITHUB_TOKEN or GITHUB_APP_ID: GitHub is told nothing, and private repositories cannot be read");
  }
  return missing;
}

function repositoriesOf(
  { webhookSecret, repositories }: ServerConfig,
  { serverUrl }: ServedAs["config"],
  local: readonly RepositoryName[],
): string {
  const names = local.map(({ owner, name }) => `${owner}/${name}`);
  const others = webhookSecret === undefined ? [] : (repositories ?? [`those that ${serverUrl} tells of`]);
  return [...names, ...others].join(", ") || "none";
}
