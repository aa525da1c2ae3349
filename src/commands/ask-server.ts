/** Asks a server and reads what it says, for the commands that speak to one: refusals become errors that a person can act on. */
import { array, looseObject, nullable, number, object, safeParse, string } from "zod/mini";
import type { infer as Infer, ZodMiniType } from "zod/mini";
import { EngineError } from "../lib/engine-error.ts";
import type { Hearth } from "./hearth.ts";
import type { ServerRequest } from "./server-door.ts";

/** As the API describes it: those members that commands show, and all others as they are. */
const RunDocument = looseObject({
  id: number(),
  repository: string(),
  workflow: string(),
  event: string(),
  headSha: string(),
  ref: string(),
  state: string(),
  attempt: number(),
  run: nullable(string()),
  conclusion: nullable(string()),
  queuedAt: string(),
});
export type ServerRunDocument = Infer<typeof RunDocument>;

const RunsDocument = object({ runs: array(RunDocument) });

/** Throws RUN_NOT_FOUND, SERVER_REFUSED, BAD_USAGE, SERVER_UNREACHABLE. */
export async function askServer({ server }: Hearth, request: ServerRequest): Promise<Response> {
  const answer = await server.ask(request);
  if (answer.ok) return answer;
  const message = messageOf(await answer.text());
  const from = await server.describe();
  switch (answer.status) {
    case 400:
      throw new EngineError("BAD_USAGE", message ?? `${from} does not take that`);
    case 401:
    case 403:
      throw new EngineError("SERVER_REFUSED", `${from}: ${message ?? "not allowed"}`, {
        hint: "HEARTH_SERVER_TOKEN holds the token; on the server hearth api-token add makes one.",
      });
    case 404:
      throw new EngineError("RUN_NOT_FOUND", message ?? "There is none", {
        hint: "hearth runs --server lists the runs.",
      });
    default:
      throw new EngineError("SERVER_REFUSED", message ?? `${from} answered ${answer.status}`);
  }
}

export async function askRun(hearth: Hearth, request: ServerRequest): Promise<ServerRunDocument> {
  return readAs(RunDocument, await askServer(hearth, request));
}

export async function askRuns(hearth: Hearth, limit: number): Promise<readonly ServerRunDocument[]> {
  const answer = await askServer(hearth, { method: "GET", path: `/api/v1/runs?limit=${limit}` });
  return (await readAs(RunsDocument, answer)).runs;
}

/** Throws SERVER_REFUSED for what no server of ours says. */
export async function readAs<T extends ZodMiniType>(shape: T, answer: Response): Promise<Infer<T>> {
  const parsed = safeParse(shape, await answer.json().catch(() => undefined));
  if (parsed.success) return parsed.data;
  throw new EngineError("SERVER_REFUSED", "What answered is no Hearth server of this version");
}

/** A run is named by its number on the server, or by the id of its record. Throws BAD_USAGE. */
export function runPath(typed: string, action?: string): string {
  if (!/^[a-z0-9]{1,20}$/u.test(typed)) {
    throw new EngineError("BAD_USAGE", `${JSON.stringify(typed)} is no run: a number, or the id of a record`);
  }
  return `/api/v1/runs/${typed}${action === undefined ? "" : `/${action}`}`;
}

function messageOf(text: string): string | undefined {
  try {
    const said: unknown = JSON.parse(text);
    if (typeof said === "object" && said !== null && "message" in said && typeof said.message === "string") {
      return said.message;
    }
  } catch {
    // Not the API's: a proxy on the way.
  }
  return undefined;
}
