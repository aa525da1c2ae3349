/** People, issues, labels and comments as GraphQL objects. Source: GitHub GraphQL reference. */
import { isObject, shown } from "./api-body.ts";
import { commentShape } from "./api-comments.ts";
import type { GraphqlCall } from "./api-graphql-call.ts";
import { connection } from "./api-graphql-connection.ts";
import type { GraphqlObject } from "./api-graphql-run.ts";
import type { Json, JsonObject } from "./api-message.ts";
import { BOT } from "./api-shape.ts";
import type { Entry, Thread } from "./api-state.ts";
import { issueShape, labelShape } from "./api-thread.ts";
import { userObject } from "../plan/payload-repository.ts";

export function userNode(user: Json | undefined): GraphqlObject | null {
  if (!isObject(user)) return null;
  const login = shown(user["login"]);
  const isBot = user["type"] === "Bot";
  return {
    type: isBot ? "Bot" : "User",
    also: ["Node", "Actor", "RepositoryOwner"],
    fields: {
      id: shown(user["node_id"]),
      databaseId: user["id"] ?? null,
      // GraphQL shows an app without its suffix.
      login: isBot ? login.replace(/\[bot\]$/, "") : login,
      name: login,
      url: shown(user["html_url"]),
      avatarUrl: shown(user["avatar_url"]),
      resourcePath: `/${login}`,
    },
  };
}

/** Members that issues and pull requests share. */
export function threadFields(call: GraphqlCall, thread: Thread, shape: JsonObject): GraphqlObject["fields"] {
  const { state } = call.world;
  const number = String(thread.number);
  const milestone = shape["milestone"];
  return {
    id: shown(shape["node_id"]),
    databaseId: shape["id"] ?? null,
    fullDatabaseId: shown(shape["id"]),
    number: thread.number,
    title: shown(shape["title"]),
    body: shown(shape["body"]),
    bodyText: shown(shape["body"]),
    url: shown(shape["html_url"]),
    permalink: shown(shape["html_url"]),
    locked: shape["locked"] ?? false,
    closed: shape["state"] === "closed",
    createdAt: shape["created_at"] ?? null,
    updatedAt: shape["updated_at"] ?? null,
    closedAt: shape["closed_at"] ?? null,
    authorAssociation: shown(shape["author_association"]),
    author: () => userNode(shape["user"]),
    milestone: isObject(milestone)
      ? { type: "Milestone", fields: { title: shown(milestone["title"]), number: milestone["number"] ?? null } }
      : null,
    labels: (args) =>
      connection(
        "Label",
        thread.labels.map((name) => labelNode(call, name)),
        args,
      ),
    assignees: (args) =>
      connection(
        "User",
        thread.assignees.flatMap((login) => userNode(userObject(login)) ?? []),
        args,
      ),
    comments: (args) =>
      connection(
        "IssueComment",
        state.comments.of(number).map((comment) => commentNode(call, comment)),
        args,
      ),
    repository: () => call.repositoryNode(),
  };
}

export function issueNode(call: GraphqlCall, thread: Thread): GraphqlObject {
  const shape = issueShape(call, thread);
  return {
    type: "Issue",
    also: ["Node", "Labelable", "Assignable", "Comment", "Closable"],
    fields: {
      ...threadFields(call, thread, shape),
      state: shown(shape["state"]).toUpperCase(),
      stateReason: shape["state_reason"] === null ? null : shown(shape["state_reason"]).toUpperCase(),
    },
  };
}

export function labelNode(call: GraphqlCall, name: string): GraphqlObject {
  const shape = labelShape(call, name);
  return {
    type: "Label",
    also: ["Node"],
    fields: {
      id: shown(shape["node_id"]),
      name,
      color: shape["color"] ?? null,
      description: shape["description"] ?? null,
      isDefault: shape["default"] ?? false,
    },
  };
}

export function commentNode(call: GraphqlCall, comment: Entry): GraphqlObject {
  const shape = commentShape(call, comment);
  return {
    type: "IssueComment",
    also: ["Node", "Comment", "Minimizable"],
    fields: {
      id: shown(shape["node_id"]),
      databaseId: comment.id,
      fullDatabaseId: String(comment.id),
      body: shown(shape["body"]),
      bodyText: shown(shape["body"]),
      url: shown(shape["html_url"]),
      createdAt: shape["created_at"] ?? null,
      updatedAt: shape["updated_at"] ?? null,
      authorAssociation: shown(shape["author_association"]),
      author: () => userNode(shape["user"]),
      isMinimized: comment.fields["is_minimized"] ?? false,
      minimizedReason: comment.fields["minimized_reason"] ?? null,
      viewerDidAuthor: isObject(shape["user"]) && shape["user"]["login"] === BOT["login"],
      viewerCanMinimize: true,
    },
  };
}
