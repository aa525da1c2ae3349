/**
 * POST /webhook: raw bytes, bounded; who signed them; one durable transaction; 202. Nothing else is on this path, since GitHub waits ten
 * seconds and does not ask again. Written for node:http, so that nothing in between holds the body.
 * Source: ACTIONS-CONTRACT §7.1, SECURITY-RELIABILITY A01-A04, F13-F16.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isIP } from "node:net";
import { EngineError } from "../lib/engine-error.ts";
import { unreachable } from "../lib/unreachable.ts";
import { acceptTogether } from "./accept-together.ts";
import { identityOf } from "./delivery-identity.ts";
import { fp } from "./fail-point.ts";
import { parsePayload, repositoryIn, textIn } from "./payload.ts";
import type { Accepted, NewDelivery, ServerStore } from "./server-store.ts";
import { createBodyReader, isDeeperThan, WEBHOOK_LIMITS } from "./webhook-body.ts";
import type { BodyLimits, WebhookBody } from "./webhook-body.ts";
import { isSignature, isSigned } from "./webhook-signature.ts";

export interface WebhookIntakeParts {
  readonly store: Pick<ServerStore, "deliveries">;
  /** Any of them may sign. None: only this host itself is heard, see `requireWebhookSecret`. */
  readonly secrets: readonly string[];
  /** False: the server is about to end, and takes nothing more. */
  readonly isOpen: () => boolean;
  /** After each delivery that is new; must not throw. */
  readonly onAccepted: () => void;
  /** A constant text and facts, none of them from the body. */
  readonly onRefused?: (message: string, facts: { readonly [name: string]: string | number }) => void;
  /** For tests. */
  readonly limits?: Partial<BodyLimits>;
}

/** Answers every request it is given. Never rejects. */
export type WebhookIntake = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

const MAX_DEPTH = 100;
/** Of a connection whose body was left unread: so long, that the answer arrives before it is reset. */
const LINGER_MS = 1_000;

/** Throws BAD_CONFIG where anyone could send deliveries: no secret, and an address that others reach. */
export function requireWebhookSecret(host: string, secrets: readonly string[]): void {
  if (secrets.some((secret) => secret !== "") || isLoopback(host)) return;
  throw new EngineError("BAD_CONFIG", `Cannot take webhooks on ${host}: there is no webhook secret`, {
    hint: "Set GITHUB_WEBHOOK_SECRET to the secret of the webhook, or listen on 127.0.0.1.",
  });
}

export function createWebhookIntake(parts: WebhookIntakeParts): WebhookIntake {
  const { store, isOpen, onAccepted, onRefused = () => undefined } = parts;
  const secrets = parts.secrets.filter((secret) => secret !== "");
  const readBody = createBodyReader({ ...WEBHOOK_LIMITS, ...parts.limits });
  const accept = acceptTogether(store.deliveries);

  async function answer(request: IncomingMessage): Promise<Answer> {
    if (!isOpen()) return refused(503, "the server is about to end", { "retry-after": "10" });
    const early = faultOfHead(request, secrets);
    if (early !== undefined) return early;
    const body = await readBody(request);
    if (body.kind === "refused") return refusedBody(body);
    const signature = headerOf(request, "x-hub-signature-256") ?? "";
    if (secrets.length > 0 && !isSigned(secrets, body.bytes, signature)) return UNSIGNED;
    const read = readDelivery(request, body.bytes);
    if ("status" in read) return read;
    if (read.event === "ping") return { status: 200, body: { pong: textIn(parsePayload(read.body), "zen") ?? "" } };
    const accepted = await accept(read);
    if (accepted.kind === "accepted") onAccepted();
    return { status: 202, body: described(accepted) };
  }

  return async (request, response) => {
    let said: Answer;
    try {
      said = await answer(request);
    } catch (error) {
      // Not kept: whoever sent it is told so, and what GitHub has is fetched later.
      const reason = error instanceof EngineError ? error.message : "a fault in Hearth";
      onRefused("delivery not kept", { reason: error instanceof Error ? error.message : String(error) });
      said = refused(503, reason, { "retry-after": "30" });
    }
    if (said.status >= 400) onRefused("delivery refused", { status: said.status, from: sourceOf(request) });
    send(request, response, said);
    fp("after_answer");
  };
}

interface Answer {
  readonly status: number;
  readonly body: { readonly [name: string]: string | number };
  readonly headers?: { readonly [name: string]: string };
}

function refused(status: number, error: string, headers: Answer["headers"] = {}): Answer {
  return { status, body: { error }, headers };
}

const UNSIGNED = refused(401, "X-Hub-Signature-256 does not sign this body with the secret of this server");

/** What is wrong before anything of the body is read. */
function faultOfHead(request: IncomingMessage, secrets: readonly string[]): Answer | undefined {
  if (request.method !== "POST") return refused(405, "deliveries are sent by POST", { allow: "POST" });
  if (request.headers["content-encoding"] !== undefined) {
    return refused(415, "a delivery is not compressed: what is signed are the bytes as they come");
  }
  if (secrets.length > 0) {
    return isSignature(headerOf(request, "x-hub-signature-256")) ? undefined : UNSIGNED;
  }
  // Without a secret a page in a browser of this host must not be able to send one (A35): it cannot leave out these headers.
  const host = headerOf(request, "host") ?? "";
  const isOwn = isLoopback(sourceOf(request)) && isLoopback(host.replace(/:\d+$/u, ""));
  if (isOwn && request.headers.origin === undefined && typeOf(request) === "application/json") return undefined;
  return refused(401, "there is no webhook secret: only this host itself is heard");
}

function refusedBody({ status }: Extract<WebhookBody, { kind: "refused" }>): Answer {
  switch (status) {
    case 400:
      return refused(400, "the body broke off");
    case 408:
      return refused(408, "the body took too long");
    case 413:
      return refused(413, "the body is larger than 25 MiB");
    default:
      return refused(503, "too many bodies at a time", { "retry-after": "10" });
  }
}

function readDelivery(request: IncomingMessage, bytes: Buffer): NewDelivery | Answer {
  const guid = headerOf(request, "x-github-delivery");
  const event = headerOf(request, "x-github-event");
  if (guid === undefined || !/^[\w-]{1,64}$/u.test(guid)) return refused(400, "X-GitHub-Delivery is no GUID");
  if (event === undefined || !/^[a-z][a-z_]{0,63}$/u.test(event)) return refused(400, "X-GitHub-Event is no event");
  const json = jsonOf(request, bytes);
  if (json === undefined) return refused(415, "a delivery is application/json, or a form with `payload`");
  if (isDeeperThan(json, MAX_DEPTH)) return refused(400, `the payload nests deeper than ${MAX_DEPTH}`);
  const body = json.toString("utf8");
  const payload = parsePayload(body);
  if (payload === undefined) return refused(400, "the payload is no JSON object");
  const repository = repositoryIn(payload);
  // Only hooks of this host come by a socket that has no address.
  const source = request.socket.remoteAddress === undefined ? "hook" : "webhook";
  return { guid, event, repository, identity: identityOf(event, payload), body, source };
}

function jsonOf(request: IncomingMessage, bytes: Buffer): Buffer | undefined {
  const type = typeOf(request);
  if (type === "application/json") return bytes;
  if (type !== "application/x-www-form-urlencoded") return undefined;
  const payload = new URLSearchParams(bytes.toString("utf8")).get("payload");
  return payload === null ? undefined : Buffer.from(payload);
}

function described(accepted: Accepted): Answer["body"] {
  switch (accepted.kind) {
    case "accepted":
      return { delivery: accepted.id };
    case "duplicate":
      return { delivery: accepted.of, duplicate_of: accepted.of };
    case "replay":
      return { delivery: accepted.of, replay_of: accepted.of, code: "E_WEBHOOK_REPLAY" };
    default:
      return unreachable(accepted);
  }
}

function send(request: IncomingMessage, response: ServerResponse, { status, body, headers }: Answer): void {
  const isRead = request.complete;
  const closing: Record<string, string> = isRead ? {} : { connection: "close" };
  response.writeHead(status, { "content-type": "application/json", ...headers, ...closing });
  response.end(`${JSON.stringify(body)}\n`);
  if (isRead) return;
  // A reset takes an answer with it that has not been read: what still comes is let go for a while.
  request.resume();
  setTimeout(() => request.destroy(), LINGER_MS).unref();
}

function typeOf(request: IncomingMessage): string {
  return (request.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(",") : value;
}

function sourceOf(request: IncomingMessage): string {
  // One that came by a socket of this host has no address.
  return request.socket.remoteAddress ?? "127.0.0.1";
}

export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(?<inner>.*)\]$/u, "$<inner>").replace(/^::ffff:/u, "");
  if (isIP(address) === 4) return address.startsWith("127.");
  return address === "::1" || address === "localhost";
}
