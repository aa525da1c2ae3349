/**
 * The token that git reads a repository with: the operator's own, or of a GitHub App one for this repository alone that can only read
 * its contents. Kept until shortly before it ends; asked for once at a time.
 * https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app
 */
import { z } from "zod";
import type { GithubClient } from "../github/client.ts";
import { GithubProblem } from "../github/github-problem.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { RepositoryName } from "../git/remote-url.ts";

/** GitHub's last for an hour. */
const KEPT_MS = 45 * 60_000;

const installation = z.object({ id: z.number() });
const accessToken = z.object({ token: z.string() });

/** Throws GIT_FAILED where the App is not installed, or GitHub does not answer. `now`: monotonic, in ms. */
export function createFetchTokens(
  client: GithubClient,
  now: () => number,
): (repository: RepositoryName) => Promise<string> {
  const kept = new Map<string, { readonly token: Promise<string>; readonly untilMs: number }>();
  return (repository) => {
    const key = `${repository.owner}/${repository.name}`.toLowerCase();
    const known = kept.get(key);
    if (known !== undefined && known.untilMs > now()) return known.token;
    const token = make(client, repository);
    kept.set(key, { token, untilMs: now() + KEPT_MS });
    token.catch(() => kept.delete(key));
    return token;
  };
}

async function make(client: GithubClient, { owner, name }: RepositoryName): Promise<string> {
  try {
    const found = await client.request({
      route: "GET /repos/{owner}/{repo}/installation",
      parameters: { owner, repo: name },
      repository: undefined,
    });
    const { data } = await client.request({
      route: "POST /app/installations/{installation_id}/access_tokens",
      parameters: {
        installation_id: installation.parse(found.data).id,
        repositories: [name],
        permissions: { contents: "read" },
      },
      repository: undefined,
    });
    return accessToken.parse(data).token;
  } catch (error) {
    if (!(error instanceof GithubProblem || error instanceof z.ZodError)) throw error;
    throw new EngineError("GIT_FAILED", `Cannot get a token for ${owner}/${name}: ${error.message}`, { cause: error });
  }
}
