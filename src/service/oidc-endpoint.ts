/**
 * Identity tokens for jobs that have `id-token: write`, and the keys to check them by, at the issuer's well-known addresses. The
 * issuer is the services' own address unless the operator names one: nobody outside reaches the former, and the latter serves the
 * set that `hearth oidc jwks` prints. Source: ACTIONS-CONTRACT §5.7, OpenID Connect Discovery 1.0.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Endpoint, EndpointSurroundings } from "./endpoint.ts";
import { replyJson } from "./http-reply.ts";
import { identityClaims } from "./oidc-claims.ts";
import type { IdentityKeys } from "./oidc-keys.ts";

export interface OidcSettings {
  readonly keys: IdentityKeys;
  /** Without a trailing slash; undefined: the address of the services. */
  readonly issuer: string | undefined;
}

type Surroundings = Pick<EndpointSurroundings, "origin" | "tokens" | "now">;

export function createOidcEndpoint(surroundings: Surroundings, { keys, issuer }: OidcSettings): Endpoint {
  const context: Context = { ...surroundings, keys, issuer: issuer ?? surroundings.origin };
  return {
    handle(request, response, path) {
      const answer = ROUTES.get(path.split("?", 1)[0] ?? "");
      if (answer === undefined) return false;
      if (request.method !== "GET") replyJson(response, 405, { message: "GET is understood" });
      else answer(context, request, response, path).catch(() => replyJson(response, 500, { message: "no key" }));
      return true;
    },
  };
}

interface Context extends Surroundings {
  readonly keys: IdentityKeys;
  readonly issuer: string;
}

type Answer = (context: Context, request: IncomingMessage, response: ServerResponse, path: string) => Promise<void>;

const MAX_AUDIENCE_CHARS = 1024;

const ROUTES: ReadonlyMap<string, Answer> = new Map<string, Answer>([
  ["/idtoken", issueToken],
  ["/.well-known/jwks", async ({ keys }, _, response) => replyJson(response, 200, { keys: await keys.publicKeys() })],
  ["/.well-known/openid-configuration", describeIssuer],
]);

async function issueToken(
  { tokens, keys, issuer, now }: Context,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): Promise<void> {
  const caller = tokens.callerOf(request, "id-token");
  if (caller === undefined) return replyJson(response, 401, { message: "no token of a job that is running" });
  const { claims } = caller;
  // Strangers' pull requests have no permission to write anything; asked here once more, as others believe what is signed.
  if (claims.permissions["id-token"] !== "write" || !claims.trusted) {
    return replyJson(response, 403, { message: "the job needs `permissions: id-token: write`" });
  }
  const audience = new URLSearchParams(path.slice(path.indexOf("?") + 1)).get("audience") ?? "";
  if (audience.length > MAX_AUDIENCE_CHARS || /\p{Cc}/u.test(audience)) {
    return replyJson(response, 400, { message: "audience is not valid" });
  }
  const value = await keys.sign(
    identityClaims(claims, {
      issuer,
      audience: audience === "" ? undefined : audience,
      tokenId: randomUUID(),
      issuedAtS: Math.floor(now() / 1000),
    }),
  );
  replyJson(response, 200, { value });
}

async function describeIssuer({ issuer }: Context, _: IncomingMessage, response: ServerResponse): Promise<void> {
  replyJson(response, 200, {
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks`,
    subject_types_supported: ["public"],
    response_types_supported: ["id_token"],
    id_token_signing_alg_values_supported: ["RS256"],
    scopes_supported: ["openid"],
  });
}
