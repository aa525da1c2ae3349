/**
 * The GraphQL side of the API facade: what can be asked at the root, and the mutations that comment bots, labellers and mergers use.
 * A field that is not known here is an error for the whole query, and a line in the step's log.
 * Source: GitHub GraphQL reference, ACTIONS-CONTRACT §6.
 */
import { bodyOf, isObject, textIn } from "./api-body.ts";
import type { ApiKept, ApiRepository } from "./api-call.ts";
import type { GraphqlCall } from "./api-graphql-call.ts";
import { mutationRoot } from "./api-graphql-mutation.ts";
import { GraphqlSyntaxError, parseGraphql } from "./api-graphql-parse.ts";
import type { Operation } from "./api-graphql-parse.ts";
import { pullNode } from "./api-graphql-pulls.ts";
import { queryRoot } from "./api-graphql-query.ts";
import { repositoryNode } from "./api-graphql-repository.ts";
import { GraphqlProblem, runGraphql } from "./api-graphql-run.ts";
import type { GraphqlFault } from "./api-graphql-run.ts";
import type { ApiRequest, ApiResponse, Json, JsonObject } from "./api-message.ts";
import { ApiProblem, json } from "./api-message.ts";
import { noteWrite, openRepository, problemResponse, spendOnNote } from "./api-router.ts";
import type { ApiRouter, RouterSurroundings } from "./api-router.ts";
import type { Caller } from "./job-tokens.ts";
import type { ApiNote } from "./services.ts";

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
    if (operation.kind === "mutation") spendOnNote(request, call.world.state);
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

async function callOf(request: ApiRequest, caller: Caller, surroundings: RouterSurroundings): Promise<GraphqlCall> {
  const { owner, name } = caller.claims.repository;
  const repository = await ownRepository(owner, name, request, caller, surroundings);
  const { world } = surroundings;
  const kept: ApiKept = surroundings.kept;
  const plain = { request, params: {}, claims: caller.claims, caller, kept, repository, world };
  const call: GraphqlCall = {
    ...plain,
    repositoryNode: () => repositoryNode(call),
    pullNode: (thread) => pullNode(call, thread),
  };
  return call;
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
