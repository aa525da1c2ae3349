/** The server's API on what is kept, with nobody to run anything: what is queued waits for the next server, which also tells of it. */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ServerRequest } from "./commands/server-door.ts";
import { EngineError } from "./lib/engine-error.ts";
import type { RunArtifacts } from "./server/api-parts.ts";
import { openApiTokens } from "./server/api-tokens.ts";
import { lockState } from "./server/database.ts";
import { createServerLog } from "./server/server-log.ts";
import type { Clock } from "./server/sqlite-runs.ts";
import { openServerStore, SERVER_DATABASE } from "./server/sqlite-server-store.ts";
import { watchStore } from "./server/watched-store.ts";
import type { RunStore } from "./store/run-store.ts";

export interface OfflineParts {
  readonly stateDir: string;
  /** Of the server's database. */
  readonly directory: string;
  readonly version: string;
  readonly stored: RunStore;
  readonly artifacts: RunArtifacts;
  readonly clock: Clock;
}

const NOT_RUNNING = { reason: "not_running", detail: "no server runs here: what is kept answers" };

/** Throws SERVER_UNREACHABLE where no server ever ran. */
export async function openOffline(parts: OfflineParts): Promise<(request: ServerRequest) => Promise<Response>> {
  const { stateDir, directory, clock, ...kept } = parts;
  if (!existsSync(join(directory, SERVER_DATABASE))) {
    throw new EngineError("SERVER_UNREACHABLE", `No server runs on ${stateDir}, and none ever has`, {
      hint: "hearth serve starts one; --server URL names one elsewhere.",
    });
  }
  const [{ createListeners }, { createRunFeed }] = await Promise.all([
    import("./server/http.ts"),
    import("./server/run-feed.ts"),
  ]);
  return async ({ method, path, body, headers }) => {
    await using lock = await lockState(directory);
    using opened = openServerStore(directory, clock);
    const { store, changes } = watchStore(opened);
    const listeners = createListeners({
      ...kept,
      store,
      changes,
      newId: randomUUID,
      feed: createRunFeed(kept.stored),
      tokens: openApiTokens(stateDir),
      health: { reasons: () => [NOT_RUNNING], look: async () => undefined, stop: () => undefined },
      metrics: { contentType: "text/plain", text: async () => "" },
      log: await createServerLog("error", (line) => process.stderr.write(line)),
      webhook: () => undefined,
      localWebhook: () => undefined,
      onDispatched: () => undefined,
      draining: () => false,
    });
    const init = { method, headers: { ...headers, ...(body !== undefined && { "content-type": "application/json" }) } };
    const answer = await listeners.ask(
      new Request(`http://localhost${path}`, body === undefined ? init : { ...init, body: JSON.stringify(body) }),
    );
    // Read before the store closes.
    return new Response(await answer.arrayBuffer(), { status: answer.status, headers: answer.headers });
  };
}
