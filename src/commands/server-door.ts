/** What commands need of servers: to be one, and to ask one. `compose-server.ts` implements it. */
import type { EngineError } from "../lib/engine-error.ts";
import type { ApiTokens } from "../server/api-tokens.ts";

export interface ServerDoor {
  /** Throws BAD_CONFIG, and STATE_UNWRITABLE where another one runs on the same state. */
  serve(): Promise<ServedHearth>;
  /**
   * Of the server that was named (`--server`), else the one of this host's state, else, where none runs, of what is kept.
   * Throws SERVER_UNREACHABLE.
   */
  ask(request: ServerRequest): Promise<Response>;
  /** A push to the repository in the working directory, as git tells its hook; answers how many refs. Throws GIT_FAILED. */
  received(
    repository: { readonly owner: string; readonly name: string },
    stdin: string,
    pusher: string,
  ): Promise<number>;
  /** Where `ask` asks, for people. */
  describe(): Promise<string>;
  tokens(): Promise<ApiTokens>;
  /** As `Setting`, of what only servers have. Throws BAD_CONFIG. */
  settings(): Promise<readonly ServerSetting[]>;
  /** Everything the server knows, in one file. Safe while it runs. Throws BAD_USAGE, STATE_UNWRITABLE. */
  backup(file: string): Promise<BackupSummary>;
  /** Throws STATE_UNWRITABLE over a server that runs, and BAD_USAGE over what is kept, unless `force` says so. */
  restore(file: string, force: boolean): Promise<BackupSummary>;
}

interface ServerSetting {
  readonly name: string;
  readonly value: string;
  readonly unit: string | undefined;
  readonly doc: string;
  readonly source: string;
}

export interface ServerRequest {
  readonly method: "GET" | "POST";
  /** With its query: `/api/v1/runs?limit=5`. */
  readonly path: string;
  readonly body?: object;
  readonly headers?: { readonly [name: string]: string };
  readonly signal?: AbortSignal;
}

export interface ServedHearth {
  readonly url: string;
  readonly facts: readonly { readonly name: string; readonly value: string }[];
  /** What does not work yet, and what would help. */
  readonly missing: readonly string[];
  /** Its disk failed: only another process can go on. */
  readonly broken: Promise<EngineError>;
  drain(reason: string, hurry: AbortSignal): Promise<void>;
}

export interface BackupSummary {
  readonly file: string;
  readonly runs: number;
  readonly sizeBytes: number;
}
