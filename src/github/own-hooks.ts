/**
 * Which webhooks of repositories lead to this server, found by their address: what GitHub has sent to them is listed there. Needs a token
 * that may see a repository's webhooks. https://docs.github.com/en/rest/repos/webhooks#list-repository-webhooks
 */
import { z } from "zod";
import type { GithubClient } from "./client.ts";
import { readAnswer } from "./github-answer.ts";

export interface OwnHook {
  readonly owner: string;
  readonly name: string;
  readonly hook: number;
}

const listed = z.array(
  z.object({ id: z.int(), active: z.boolean(), config: z.object({ url: z.string().optional() }) }),
);

/** Throws `GithubProblem`, as where the token does not go so far. More than 100 webhooks of a repository are not looked through. */
export async function findOwnHooks(
  client: GithubClient,
  repository: string,
  webhookUrl: string,
): Promise<readonly OwnHook[]> {
  const route = "GET /repos/{owner}/{repo}/hooks";
  const { data } = await client.request({ route, parameters: { per_page: 100 }, repository });
  const [owner = "", name = ""] = repository.split("/");
  return readAnswer(listed, data)
    .filter(({ active, config }) => active && config.url === webhookUrl)
    .map(({ id }) => ({ owner, name, hook: id }));
}
