/** One of the services behind a machine's address. `endpoints.ts` lists them; `local-services.ts` asks them in turn. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { BlobLinks } from "./blob-links.ts";
import type { BlobStore } from "./blob-store.ts";
import type { Caller, JobTokens } from "./job-tokens.ts";
import type { ApiNote } from "./services.ts";

export interface Endpoint extends Partial<AsyncDisposable> {
  /**
   * Answers the request if its path is one of its own; false: nothing was done with it. `path` is undecoded and has the query.
   * Everybody on the host can ask on loopback, so whatever is not public asks `tokens` or a signature who it is.
   */
  handle(request: IncomingMessage, response: ServerResponse, path: string): boolean;
  /** The job has ended and its tokens are dead: what it left unfinished can go. Must not throw. */
  endJob?(job: Caller): void;
}

/** What an endpoint is made with, anew for each machine. */
export interface EndpointSurroundings {
  /** Address of the services as the machine sees it, without a trailing slash. */
  readonly origin: string;
  readonly tokens: JobTokens;
  readonly blobs: BlobStore;
  readonly links: BlobLinks;
  /** Holds what outlives a run. */
  readonly stateDir: string;
  /** Wall clock, in ms. */
  readonly now: () => number;
  readonly onApi?: ((note: ApiNote) => void) | undefined;
}
