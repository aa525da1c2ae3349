/** What the API needs of the rest of the server. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { RunStore } from "../store/run-store.ts";
import type { Caller } from "./access.ts";
import type { ApiTokens, Role } from "./api-tokens.ts";
import type { RunFeed } from "./run-feed.ts";
import type { ServerRun, ServerStore } from "./server-store.ts";
import type { RunChanges } from "./watched-store.ts";

export interface ApiParts {
  readonly version: string;
  readonly store: ServerStore;
  readonly changes: RunChanges;
  readonly feed: RunFeed;
  readonly stored: Pick<RunStore, "read">;
  readonly artifacts: RunArtifacts;
  readonly tokens: ApiTokens;
  readonly newId: () => string;
  /** A delivery was accepted: plan it now. */
  readonly onDispatched: () => void;
}

export interface RunArtifacts {
  /** By the id of the first attempt's record: all attempts share them. Oldest first. */
  list(run: string): Promise<readonly KeptArtifact[]>;
  /** Undefined when it is not kept any more. */
  open(id: number): Promise<{ readonly sizeBytes: number; readonly bytes: ReadableStream<Uint8Array> } | undefined>;
}

export interface KeptArtifact {
  readonly id: number;
  readonly name: string;
  readonly attempt: number;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly mimeType: string;
  readonly createdAt: string;
  readonly expiresAt: string;
}

/** `caller`: who asked, as the listener knows; `name`: whose token it is. */
export interface ApiEnv {
  Bindings: { readonly caller: Caller };
  Variables: { name: string };
}

export type Api = OpenAPIHono<ApiEnv>;

/** Answered as JSON with its status. */
export class ApiProblem extends Error {
  readonly status: 400 | 401 | 403 | 404 | 409 | 415 | 503;
  readonly error: string;

  constructor(status: ApiProblem["status"], error: string, message: string) {
    super(message);
    this.status = status;
    this.error = error;
  }
}

/** `id` of the server, or that of an attempt's record. Throws `ApiProblem` 404. */
export function findRun({ store }: Pick<ApiParts, "store">, id: string): ServerRun {
  const run = /^\d{1,15}$/u.test(id) ? store.runs.find(Number(id)) : store.runs.findByRun(id);
  if (run === undefined) throw new ApiProblem(404, "not_found", `There is no run ${id}`);
  return run;
}

export const ROLE_OF_METHOD: { readonly [method: string]: Role } = { GET: "read", HEAD: "read" };
