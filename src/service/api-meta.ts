/** What is asked of GitHub itself rather than of a repository. Source: GitHub REST "Meta", "Rate limit", "Users". */
import { userObject } from "../plan/payload-repository.ts";
import type { ApiCall } from "./api-call.ts";
import { param } from "./api-call.ts";
import type { JsonObject } from "./api-message.ts";
import { ApiProblem, bytes, json, notFound } from "./api-message.ts";
import { isBoundedLogin } from "./api-address.ts";
import { METADATA } from "./api-route.ts";
import type { Needs, Route } from "./api-route.ts";
import { BOT, repositoryShape } from "./api-shape.ts";

const NOTHING: Needs = { kind: "nothing" };

/** Of a job's token. */
export const RATE_LIMIT = 1_000;

export const metaRoutes: readonly Route[] = [
  { method: "GET", pattern: "/", needs: NOTHING, answer: () => json(ROOT) },
  {
    method: "GET",
    pattern: "/meta",
    needs: NOTHING,
    answer: () => json({ verifiable_password_authentication: false }),
  },
  { method: "GET", pattern: "/rate_limit", needs: NOTHING, answer: rateLimit },
  { method: "GET", pattern: "/octocat", needs: NOTHING, answer: () => bytes("application/octocat-stream", OCTOCAT) },
  { method: "GET", pattern: "/zen", needs: NOTHING, answer: () => bytes("text/plain;charset=utf-8", ZEN) },
  // A job's token is that of an app, which is no user: GitHub says the same.
  { method: "GET", pattern: "/user", needs: NOTHING, answer: () => refuseUser() },
  { method: "GET", pattern: "/users/{login}", needs: METADATA, answer: getUser },
  {
    method: "GET",
    pattern: "/orgs/{org}",
    needs: METADATA,
    answer: (call) => json({ ...accountOf(call, "org"), type: "Organization" }),
  },
  { method: "GET", pattern: "/orgs/{org}/teams", needs: METADATA, answer: () => refuseOrganisation() },
  { method: "GET", pattern: "/orgs/{org}/members/{login}", needs: METADATA, answer: () => refuseOrganisation() },
  {
    method: "GET",
    pattern: "/repositories/{id}",
    needs: METADATA,
    answer: (call) => {
      if (param(call, "id") !== call.claims.repository.id) throw notFound();
      return json(repositoryShape(call));
    },
  },
  {
    method: "GET",
    pattern: "/installation/repositories",
    needs: METADATA,
    answer: (call) =>
      json({
        total_count: 1,
        repositories: [repositoryShape(call)],
      }),
  },
];

const ROOT: JsonObject = {
  current_user_url: "https://api.github.com/user",
  rate_limit_url: "https://api.github.com/rate_limit",
  repository_url: "https://api.github.com/repos/{owner}/{repo}",
  user_url: "https://api.github.com/users/{user}",
};

const ZEN = Buffer.from("Keep it logically awesome.");
const OCTOCAT = Buffer.from("   (\\_/)\n   (o.o)\n   (> <)\n");

function rateLimit({ world }: ApiCall): ReturnType<typeof json> {
  const reset = Math.floor(world.now() / 1000) + 3600;
  const core = { limit: RATE_LIMIT, remaining: RATE_LIMIT, reset, used: 0, resource: "core" };
  return json({
    resources: { core, search: { ...core, resource: "search" }, graphql: { ...core, resource: "graphql" } },
    rate: core,
  });
}

function refuseUser(): never {
  throw new ApiProblem(403, "Resource not accessible by integration");
}

/** Members and teams of an organisation are not a matter of a repository's token. */
function refuseOrganisation(): never {
  throw notFound();
}

function getUser(call: ApiCall): ReturnType<typeof json> {
  return json(param(call, "login") === BOT["login"] ? BOT : accountOf(call, "login"));
}

function accountOf(call: ApiCall, name: string): JsonObject {
  const login = param(call, name);
  if (!isBoundedLogin(login)) throw notFound();
  return { ...userObject(login), name: login, public_repos: 0 };
}
