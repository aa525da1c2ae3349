/**
 * The GraphQL side of the API facade: what can be asked at the root, and the mutations that comment bots, labellers and mergers use.
 * A field that is not known here is an error for the whole query, and a line in the step's log.
 * Source: GitHub GraphQL reference, ACTIONS-CONTRACT §6.
 */
import { unreachable } from "../lib/unreachable.ts";
import { userObject } from "../plan/payload-repository.ts";
import { bodyOf, isList, isObject, shown, textIn } from "./api-body.ts";
import type { ApiCall, ApiKept, ApiRepository } from "./api-call.ts";
import { isBoundedLogin } from "./api-address.ts";
import { addComment } from "./api-comments.ts";
import { GraphqlSyntaxError, parseGraphql } from "./api-graphql-parse.ts";
import type { Operation } from "./api-graphql-parse.ts";
import {
  commentNode,
  issueNode,
  labelNode,
  pullNode,
  repositoryNode,
  requireGraphql,
  reviewNode,
  threadNode,
  userNode,
} from "./api-graphql-objects.ts";
import { GraphqlProblem, runGraphql } from "./api-graphql-run.ts";
import type { GraphqlFault, GraphqlObject } from "./api-graphql-run.ts";
import { changeThread } from "./api-issues.ts";
import type { ApiRequest, ApiResponse, Json, JsonObject } from "./api-message.ts";
import { ApiProblem, json } from "./api-message.ts";
import { RATE_LIMIT } from "./api-meta.ts";
import { noteWrite, openRepository, problemResponse } from "./api-router.ts";
import type { ApiRouter, RouterSurroundings } from "./api-router.ts";
import type { ApiNote } from "./services.ts";
import { reads, WRITES_THREAD, writes } from "./api-route.ts";
import { BOT } from "./api-shape.ts";
import type { Entry, Thread } from "./api-state.ts";
import { threadShape } from "./api-thread.ts";
import type { Caller } from "./job-tokens.ts";

export function createGraphqlRouter(surroundings: RouterSurroundings): ApiRouter {
  return async (request, caller) => {
    if (request.method !== "POST") return problemResponse(new ApiProblem(404, "Not Found"));
    try {
      return await answerGraphql(request, caller, surroundings);
    } catch (error) {
      if (error instanceof ApiProblem) return problemResponse(error);
      throw error;
    }
  };
}

async function answerGraphql(
  request: ApiRequest,
  caller: Caller,
  surroundings: RouterSurroundings,
): Promise<ApiResponse> {
  const { note } = surroundings;
  const body = bodyOf(request);
  try {
    const document = parseGraphql(textOf(body["query"]));
    const operation = chooseOperation(document.operations, textIn(body, "operationName"));
    const call = await callOf(request, caller, surroundings);
    const variables = isObject(body["variables"]) ? body["variables"] : {};
    const root = operation.kind === "query" ? queryRoot(call) : mutationRoot(call);
    const { data, errors } = await runGraphql(document, operation, variables, root);
    for (const { message, path } of errors)
      sayFault(note, `${message}${path === undefined ? "" : ` (${path.join(".")})`}`);
    if (operation.kind === "mutation" && errors.length === 0) noteWrite(note, request, caller, 200);
    return json(errors.length === 0 ? { data } : { data, errors: errors.map(faultShape) });
  } catch (error) {
    if (error instanceof GraphqlSyntaxError) return json({ errors: [{ message: error.message }] });
    if (!(error instanceof GraphqlProblem)) throw error;
    sayFault(note, error.message);
    return json({ errors: [faultShape({ type: error.type, message: error.message })] });
  }
}

/** A query may be longer than what people write. */
function textOf(query: Json | undefined): string {
  if (typeof query === "string" && query !== "") return query;
  throw new ApiProblem(400, "A query attribute must be specified and must be a string.");
}

function faultShape({ type, message, path }: GraphqlFault): JsonObject {
  return { type, message, ...(path === undefined ? {} : { path }) };
}

function sayFault(note: (note: ApiNote) => void, message: string): void {
  const text = message.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 300);
  note({ kind: "line", text: `hearth: the GraphQL API refused a query: ${text}` });
}

function chooseOperation(operations: readonly Operation[], name: string | undefined): Operation {
  const fitting = name === undefined ? operations : operations.filter((operation) => operation.name === name);
  const [only] = fitting;
  if (only === undefined || fitting.length > 1) throw new GraphqlSyntaxError("An operation name is required");
  return only;
}

async function callOf(request: ApiRequest, caller: Caller, surroundings: RouterSurroundings): Promise<ApiCall> {
  const { owner, name } = caller.claims.repository;
  const repository = await ownRepository(owner, name, request, caller, surroundings);
  const { world } = surroundings;
  const kept: ApiKept = surroundings.kept;
  return { request, params: {}, claims: caller.claims, caller, kept, repository, world };
}

async function ownRepository(
  owner: string,
  name: string,
  request: ApiRequest,
  { claims }: Caller,
  surroundings: RouterSurroundings,
): Promise<ApiRepository> {
  const repository = await openRepository(owner, name, request, claims, surroundings);
  if (repository === undefined) throw new ApiProblem(404, "Not Found");
  return repository;
}

function queryRoot(call: ApiCall): GraphqlObject {
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

/** What an id that the API has given out stands for. */
type Found =
  | { readonly kind: "thread"; readonly thread: Thread }
  | { readonly kind: "comment"; readonly entry: Entry }
  | { readonly kind: "label"; readonly name: string };

function findNode(call: ApiCall, id: Json | undefined): Found {
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

async function nodeOf(call: ApiCall, id: Json | undefined): Promise<GraphqlObject> {
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

/** Every mutation takes one `input` and answers a payload object. */
function mutationRoot(call: ApiCall): GraphqlObject {
  const { state, now } = call.world;
  const threadIn = (input: JsonObject, member: string): Thread => {
    const found = findNode(call, input[member]);
    if (found.kind !== "thread")
      throw new GraphqlProblem("NOT_FOUND", "Could not resolve to an issue or pull request.");
    requireGraphql(call, WRITES_THREAD, found.thread.kind === "pull");
    return found.thread;
  };
  const pullIn = (input: JsonObject): Thread => {
    const thread = threadIn(input, "pullRequestId");
    requireGraphql(call, writes("pull-requests"));
    if (thread.kind !== "pull") throw new GraphqlProblem("NOT_FOUND", "Could not resolve to a PullRequest.");
    return thread;
  };
  const commentIn = (input: JsonObject, member: string): Entry => {
    requireGraphql(call, writes("issues", "pull-requests"));
    const found = findNode(call, input[member]);
    if (found.kind !== "comment") throw new GraphqlProblem("NOT_FOUND", "Could not resolve to a comment.");
    return found.entry;
  };
  const labelsIn = (input: JsonObject): readonly string[] =>
    (isList(input["labelIds"]) ? input["labelIds"] : []).flatMap((id) => {
      const found = findNode(call, id);
      return found.kind === "label" ? [found.name] : [];
    });
  const setState = (input: JsonObject, member: string, wanted: "open" | "closed"): Thread =>
    changeThread(call, threadIn(input, member), { state: wanted });
  const labelled = async (thread: Thread, labels: readonly string[]): Promise<GraphqlObject> =>
    payload({ labelable: await threadNode(call, state.putThread({ ...thread, labels: [...new Set(labels)] })) });
  const minimized = (input: JsonObject, is: boolean): GraphqlObject => {
    const { id } = commentIn(input, "subjectId");
    const reason = is ? shown(input["classifier"]).toLowerCase() : null;
    const changed = state.comments.change(id, { is_minimized: is, minimized_reason: reason });
    const node = commentNode(call, changed);
    return payload(is ? { minimizedComment: node } : { unminimizedComment: node });
  };
  return {
    type: "Mutation",
    fields: {
      addComment: ({ input }) => {
        const given = inputOf(input);
        const thread = threadIn(given, "subjectId");
        const comment = commentNode(call, addComment(call, thread.number, textOfInput(given, "body")));
        return payload({
          subject: async () => await threadNode(call, thread),
          commentEdge: { type: "IssueCommentEdge", fields: { node: comment } },
        });
      },
      updateIssueComment: ({ input }) => {
        const given = inputOf(input);
        const fields = { body: textOfInput(given, "body"), updated_at: new Date(now()).toISOString() };
        const changed = state.comments.change(commentIn(given, "id").id, fields);
        return payload({ issueComment: commentNode(call, changed) });
      },
      deleteIssueComment: ({ input }) => {
        state.comments.remove(commentIn(inputOf(input), "id").id);
        return payload({});
      },
      minimizeComment: ({ input }) => minimized(inputOf(input), true),
      unminimizeComment: ({ input }) => minimized(inputOf(input), false),
      addLabelsToLabelable: async ({ input }) => {
        const given = inputOf(input);
        const thread = threadIn(given, "labelableId");
        return await labelled(thread, [...thread.labels, ...labelsIn(given)]);
      },
      removeLabelsFromLabelable: async ({ input }) => {
        const given = inputOf(input);
        const thread = threadIn(given, "labelableId");
        const removed = labelsIn(given);
        return await labelled(
          thread,
          thread.labels.filter((name) => !removed.includes(name)),
        );
      },
      closeIssue: ({ input }) => payload({ issue: issueNode(call, setState(inputOf(input), "issueId", "closed")) }),
      reopenIssue: ({ input }) => payload({ issue: issueNode(call, setState(inputOf(input), "issueId", "open")) }),
      closePullRequest: async ({ input }) => {
        const { number } = pullIn(inputOf(input));
        const closed = setState(inputOf(input), "pullRequestId", "closed");
        return payload({ pullRequest: await pullNode(call, { ...closed, number }) });
      },
      enablePullRequestAutoMerge: async ({ input }) =>
        payload({ pullRequest: await pullNode(call, pullIn(inputOf(input))) }),
      disablePullRequestAutoMerge: async ({ input }) =>
        payload({ pullRequest: await pullNode(call, pullIn(inputOf(input))) }),
      addPullRequestReview: ({ input }) => {
        const given = inputOf(input);
        const thread = pullIn(given);
        const event = shown(given["event"]);
        const review = state.reviews.add(String(thread.number), {
          user: BOT,
          body: shown(given["body"]),
          state: REVIEW_STATE[event] ?? "PENDING",
          commit_id: call.claims.sha,
          submitted_at: new Date(now()).toISOString(),
        });
        return payload({ pullRequestReview: reviewNode(call, review) });
      },
    },
  };
}

const REVIEW_STATE: Readonly<Record<string, string>> = {
  APPROVE: "APPROVED",
  REQUEST_CHANGES: "CHANGES_REQUESTED",
  COMMENT: "COMMENTED",
};

function payload(fields: GraphqlObject["fields"]): GraphqlObject {
  return { type: "MutationPayload", fields: { clientMutationId: null, ...fields } };
}

function inputOf(input: Json | undefined): JsonObject {
  if (isObject(input)) return input;
  throw new GraphqlProblem("argumentNotAccepted", "The argument 'input' is required");
}

function textOfInput(input: JsonObject, member: string): string {
  const value = input[member];
  if (typeof value === "string" && value !== "" && value.length <= 65_536) return value;
  throw new GraphqlProblem("UNPROCESSABLE", `${member} can't be blank or too long`);
}
