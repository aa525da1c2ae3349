/** What a GraphQL query can begin with. Source: GitHub GraphQL reference, "Queries". */
import { isBoundedLogin } from "./api-address.ts";
import { isList, shown } from "./api-body.ts";
import type { GraphqlCall } from "./api-graphql-call.ts";
import { nodeOf } from "./api-graphql-node.ts";
import { repositoryNode } from "./api-graphql-repository.ts";
import { GraphqlProblem } from "./api-graphql-run.ts";
import type { GraphqlObject } from "./api-graphql-run.ts";
import { userNode } from "./api-graphql-threads.ts";
import type { JsonObject } from "./api-message.ts";
import { RATE_LIMIT } from "./api-meta.ts";
import { BOT } from "./api-shape.ts";
import { userObject } from "../plan/payload-repository.ts";

export function queryRoot(call: GraphqlCall): GraphqlObject {
  const { claims, world } = call;
  return {
    type: "Query",
    fields: {
      // Unlike as an author, an app is here a user with its suffix.
      viewer: () => userNode({ ...BOT, type: "User" }),
      rateLimit: () => ({
        type: "RateLimit",
        fields: {
          limit: RATE_LIMIT,
          remaining: RATE_LIMIT,
          used: 0,
          cost: 1,
          resetAt: new Date(world.now() + 3_600_000).toISOString(),
        },
      }),
      repository: (args) => {
        const [owner, name] = [shown(args["owner"]), shown(args["name"])];
        const isOwn =
          `${owner}/${name}`.toLowerCase() === `${claims.repository.owner}/${claims.repository.name}`.toLowerCase();
        if (isOwn) return repositoryNode(call);
        throw new GraphqlProblem("NOT_FOUND", `Could not resolve to a Repository with the name '${owner}/${name}'.`);
      },
      user: (args) => accountNode(args),
      repositoryOwner: (args) => accountNode(args),
      node: (args) => nodeOf(call, args["id"]),
      nodes: async (args) => {
        const ids = isList(args["ids"]) ? args["ids"].slice(0, 100) : [];
        return await Promise.all(ids.map((id) => nodeOf(call, id)));
      },
    },
  };
}

function accountNode(args: JsonObject): GraphqlObject | null {
  const login = shown(args["login"]);
  if (!isBoundedLogin(login)) throw new GraphqlProblem("NOT_FOUND", "Could not resolve to a User with that login.");
  return userNode(userObject(login));
}
