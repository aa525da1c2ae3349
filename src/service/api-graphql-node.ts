/** Objects by the ids that the API gives out: those of issues, pull requests, comments and labels. */
import { shown } from "./api-body.ts";
import type { GraphqlCall } from "./api-graphql-call.ts";
import { requireGraphql } from "./api-graphql-call.ts";
import { threadNode } from "./api-graphql-pulls.ts";
import { GraphqlProblem } from "./api-graphql-run.ts";
import type { GraphqlObject } from "./api-graphql-run.ts";
import { labelNode, commentNode } from "./api-graphql-threads.ts";
import type { Json } from "./api-message.ts";
import { reads } from "./api-route.ts";
import type { Entry, Thread } from "./api-state.ts";
import { threadShape } from "./api-thread.ts";
import { unreachable } from "../lib/unreachable.ts";

/** What an id that the API has given out stands for. */
type Found =
  | { readonly kind: "thread"; readonly thread: Thread }
  | { readonly kind: "comment"; readonly entry: Entry }
  | { readonly kind: "label"; readonly name: string };

export function findNode(call: GraphqlCall, id: Json | undefined): Found {
  const { state } = call.world;
  const text = shown(id);
  for (const thread of state.threads()) {
    if (threadShape(call, thread)["node_id"] === text) return { kind: "thread", thread };
  }
  const { prefix, digits } = /^(?<prefix>IC|LA)_(?<digits>[0-9a-z]{1,12})$/.exec(text)?.groups ?? {};
  const number = Number.parseInt(digits ?? "", 36);
  const comment =
    prefix === "LA"
      ? undefined
      : (state.comments.get(number) ?? state.comments.all().find(({ fields }) => fields["node_id"] === text));
  if (comment !== undefined) return { kind: "comment", entry: comment };
  const label = state.labels.get(number) ?? state.labels.all().find(({ fields }) => fields["node_id"] === text);
  if (label !== undefined) return { kind: "label", name: shown(label.fields["name"]) };
  throw new GraphqlProblem("NOT_FOUND", `Could not resolve to a node with the global id of '${text.slice(0, 100)}'.`);
}

export async function nodeOf(call: GraphqlCall, id: Json | undefined): Promise<GraphqlObject> {
  const found = findNode(call, id);
  switch (found.kind) {
    case "thread":
      requireGraphql(call, reads(found.thread.kind === "pull" ? "pull-requests" : "issues"));
      return await threadNode(call, found.thread);
    case "comment":
      requireGraphql(call, reads("issues", "pull-requests"));
      return commentNode(call, found.entry);
    case "label":
      requireGraphql(call, reads("issues", "pull-requests"));
      return labelNode(call, found.name);
    default:
      return unreachable(found);
  }
}
