/**
 * Twirp, the way GitHub's results service is called: `POST /twirp/<service>/<Method>`, in JSON or binary protobuf, answered in kind.
 * Errors are always JSON. Every call names its job by the runtime token; what a message says of run, job or scope is not believed.
 * Source: twirp.dev "Spec v7", ACTIONS-CONTRACT §5.2.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Endpoint, EndpointSurroundings } from "./endpoint.ts";
import { readBody } from "./http-body.ts";
import { replyBytes, replyJson } from "./http-reply.ts";
import type { Caller, JobTokens } from "./job-tokens.ts";
import type { Message } from "./protobuf-message.ts";
import { MalformedMessage } from "./protobuf-wire.ts";

/** The statuses are Twirp's own. Clients try again after 429 and 5xx; everything else is final. */
const STATUS = {
  malformed: 400,
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  bad_route: 404,
  not_found: 404,
  already_exists: 409,
  failed_precondition: 412,
  resource_exhausted: 429,
  internal: 500,
  unavailable: 503,
} as const;

export class TwirpError {
  readonly code: keyof typeof STATUS;
  /** People read it in the log of their step. */
  readonly msg: string;
  constructor(code: keyof typeof STATUS, msg: string) {
    this.code = code;
    this.msg = msg;
  }
}

/** A method as the endpoint holds it: types of its messages are settled by `twirpMethod`. */
export interface TwirpMethod {
  call(bytes: Buffer, form: Form, caller: Caller): Promise<Buffer | TwirpError>;
}

type Form = "json" | "protobuf";

/** `run` answers what is not empty of the response. Must not throw but for faults of ours, which the client may try again. */
export function twirpMethod<Request, Response>(
  request: Message<Request>,
  response: Message<Response>,
  run: (given: Request, caller: Caller) => Promise<Partial<Response> | TwirpError>,
): TwirpMethod {
  return {
    async call(bytes, form, caller) {
      const given = parse(request, bytes, form);
      if (given instanceof TwirpError) return given;
      const answer = await run(given, caller);
      if (answer instanceof TwirpError) return answer;
      return form === "json" ? Buffer.from(JSON.stringify(response.toJson(answer))) : response.toBinary(answer);
    },
  };
}

/** `service` with its package, as `github.actions.results.api.v1.CacheService`. */
export function createTwirpEndpoint(
  service: string,
  methods: { readonly [name: string]: TwirpMethod },
  { tokens }: Pick<EndpointSurroundings, "tokens">,
): Endpoint {
  const prefix = `/twirp/${service}/`;
  const known = new Map(Object.entries(methods));
  return {
    handle(request, response, path) {
      if (!path.startsWith(prefix)) return false;
      const method = known.get(path.slice(prefix.length));
      serve(request, response, method, tokens).catch(() => {
        sendError(response, new TwirpError("internal", "the service failed"));
      });
      return true;
    },
  };
}

/** Ten keys of 512 characters with their metadata are a tenth of it. */
const MAX_BODY_BYTES = 64 << 10;
const FORMS: { readonly [contentType: string]: Form } = {
  "application/json": "json",
  "application/protobuf": "protobuf",
};

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  method: TwirpMethod | undefined,
  tokens: JobTokens,
): Promise<void> {
  const contentType = (request.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const form = FORMS[contentType];
  const caller = tokens.callerOf(request, "runtime");
  if (caller === undefined)
    return sendError(response, new TwirpError("unauthenticated", "no token of a job that is running"));
  if (method === undefined || request.method !== "POST" || form === undefined) {
    return sendError(response, new TwirpError("bad_route", "no such method, or neither JSON nor protobuf"));
  }
  const body = await readBody(request, MAX_BODY_BYTES);
  if (body.kind === "refused")
    return sendError(response, new TwirpError("malformed", "the message is cut off or too long"));
  const answer = await method.call(body.bytes, form, caller);
  if (answer instanceof TwirpError) return sendError(response, answer);
  replyBytes(response, 200, contentType, answer);
}

function parse<T>(message: Message<T>, bytes: Buffer, form: Form): T | TwirpError {
  try {
    return form === "json" ? message.fromJson(JSON.parse(bytes.toString("utf8"))) : message.fromBinary(bytes);
  } catch (error) {
    if (error instanceof MalformedMessage) return new TwirpError("malformed", error.message);
    if (error instanceof SyntaxError) return new TwirpError("malformed", "not JSON");
    throw error;
  }
}

function sendError(response: ServerResponse, { code, msg }: TwirpError): void {
  replyJson(response, STATUS[code], { code, msg });
}
