/**
 * Pages of what GitHub has sent to a webhook, for who looks for missed deliveries: a repository's with the rights held there, the App's
 * as the App. https://docs.github.com/en/rest/repos/webhooks, https://docs.github.com/en/rest/apps/webhooks
 */
import type { GithubClient } from "./client.ts";

type HookOwner =
  | { readonly kind: "repository"; readonly owner: string; readonly name: string }
  | { readonly kind: "app" };

export type GetHookPage = (
  path: string,
  source: HookOwner,
) => Promise<{ readonly body: unknown; readonly next: string | undefined }>;

/** Paths begin with a slash and may have a query; `next` is one, undefined on the last page. Throws `GithubProblem`. */
export function createHookPages(client: GithubClient): GetHookPage {
  return async (path, source) => {
    const repository = source.kind === "app" ? undefined : `${source.owner}/${source.name}`;
    const own = `/repos/${repository}/`;
    const route = path.startsWith(own) ? `/repos/{owner}/{repo}/${path.slice(own.length)}` : path;
    const { data, headers } = await client.request({ route: `GET ${route}`, parameters: {}, repository });
    return { body: withoutBigints(data), next: nextPath(String(headers["link"] ?? "")) };
  };
}

/** Of RFC 8288: `<https://api.github.com/app/hook/deliveries?cursor=v1_123>; rel="next"`. On an Enterprise server below `/api/v3`. */
function nextPath(link: string): string | undefined {
  const url = URL.parse(/<([^>]*)>;\s*rel="next"/.exec(link)?.[1] ?? "");
  return url === null ? undefined : `${url.pathname.replace(/^\/api\/v3(?=\/)/, "")}${url.search}`;
}

/** Octokit reads numbers past 2^53 as bigints, which JSON cannot write. They are ids: text does as well. */
function withoutBigints(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return value.map(withoutBigints);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withoutBigints(one)]));
}
