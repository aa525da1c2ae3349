/** The API facade of one machine, put together: from the state of the run, from what this host keeps, or from GitHub itself. */
import type { ApiWorld } from "./api-call.ts";
import { createApiEndpoint } from "./api-endpoint.ts";
import { createGitReader } from "./api-git.ts";
import { createGraphqlRouter } from "./api-graphql.ts";
import { createApiKept } from "./api-kept.ts";
import { createApiRouter } from "./api-router.ts";
import type { Artifacts } from "./artifacts.ts";
import type { CacheLimits } from "./cache-store.ts";
import type { Endpoint, EndpointSurroundings } from "./endpoint.ts";
import { createUpstreamGraphql, createUpstreamRouter } from "./api-upstream.ts";
import type { GithubUpstream } from "./api-upstream.ts";
import { askUpstream } from "./api-upstream-request.ts";
import type { UpstreamWay } from "./api-upstream-request.ts";
import type { RepositoryLookup } from "./repository-lookup.ts";
import type { ApiNote } from "./services.ts";

export interface ApiSettings {
  /** Of the run: all its machines read and write the same. */
  readonly world: ApiWorld;
  readonly lookup: RepositoryLookup;
  /** Undefined: everything is answered here (`--api local`). */
  readonly github?: (GithubUpstream & { readonly way: UpstreamWay }) | undefined;
}

interface ApiSurroundings extends EndpointSurroundings {
  readonly artifacts: Artifacts;
  readonly limits: CacheLimits;
}

export function createApiService({ world, lookup, github }: ApiSettings, surroundings: ApiSurroundings): Endpoint {
  const { artifacts, onApi = () => undefined } = surroundings;
  const note = withFewLines(onApi);
  const router = { world, kept: createApiKept(artifacts, surroundings), lookup, readGit: createGitReader(), note };
  const local = createApiRouter(router);
  if (github === undefined) {
    return createApiEndpoint({ rest: local, graphql: createGraphqlRouter(router) }, surroundings);
  }
  const rest = createUpstreamRouter(github, local, { ...router, ask: (asked) => askUpstream(asked, github.way) });
  return createApiEndpoint({ rest, graphql: createUpstreamGraphql(router) }, surroundings);
}

/** A machine that asks for a million things that are not there gets so many lines. */
const MAX_LINES = 200;

function withFewLines(onApi: (note: ApiNote) => void): (note: ApiNote) => void {
  const said = new Set<string>();
  return (note) => {
    if (note.kind === "line") {
      if (said.has(note.text) || said.size >= MAX_LINES) return;
      said.add(note.text);
    }
    onApi(note);
  };
}
