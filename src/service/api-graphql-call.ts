/** What GraphQL objects are made with. Those that lead to each other in circles find each other here. */
import type { ApiCall } from "./api-call.ts";
import { GraphqlProblem } from "./api-graphql-run.ts";
import type { GraphqlObject } from "./api-graphql-run.ts";
import { missingPermission } from "./api-route.ts";
import type { Needs } from "./api-route.ts";
import type { Thread } from "./api-state.ts";

export interface GraphqlCall extends ApiCall {
  readonly repositoryNode: () => GraphqlObject;
  readonly pullNode: (thread: Thread) => Promise<GraphqlObject>;
}

/** Throws FORBIDDEN, in the words of GitHub. */
export function requireGraphql(call: ApiCall, needs: Needs, isPull = false): void {
  const missing = missingPermission(needs, call.claims.permissions, isPull);
  if (missing !== undefined) throw new GraphqlProblem("FORBIDDEN", "Resource not accessible by integration");
}
