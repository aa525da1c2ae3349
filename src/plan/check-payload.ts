/**
 * What GitHub's API refuses before there is an event: limits of repository_dispatch, and payloads that lack what everything
 * after them decides by. Source: ACTIONS-CONTRACT §7.2, GitHub "Create a repository dispatch event".
 */
import { entriesOf, isMapping } from "../context/mapping.ts";
import { printJson } from "../expression/json.ts";
import type { Value } from "../expression/template.ts";

const MAX_EVENT_TYPE_CHARACTERS = 100;
const MAX_PROPERTIES = 10;
const MAX_PAYLOAD_CHARACTERS = 65_535;

/** What is wrong with a payload that somebody gave, as a sentence without its full stop; undefined when nothing is. */
export function faultOfPayload(event: string, payload: { readonly [key: string]: Value }): string | undefined {
  const { action } = payload;
  if (action !== undefined && typeof action !== "string") return "`action` must be a string";
  return event === "repository_dispatch" ? faultOfDispatch(payload) : undefined;
}

function faultOfDispatch(payload: { readonly [key: string]: Value }): string | undefined {
  const type = payload["action"] ?? payload["event_type"];
  if (typeof type !== "string" || type === "") return "a repository_dispatch needs its event type, as `action`";
  if (Array.from(type).length > MAX_EVENT_TYPE_CHARACTERS) {
    return `the event type is longer than ${MAX_EVENT_TYPE_CHARACTERS} characters`;
  }
  const clientPayload = payload["client_payload"] ?? null;
  if (clientPayload === null) return undefined;
  if (!isMapping(clientPayload)) return "`client_payload` must be an object";
  const count = entriesOf(clientPayload).length;
  if (count > MAX_PROPERTIES) return `\`client_payload\` has ${count} properties; the limit is ${MAX_PROPERTIES}`;
  const length = Array.from(printJson(clientPayload)).length;
  if (length <= MAX_PAYLOAD_CHARACTERS) return undefined;
  return `\`client_payload\` is ${length} characters long; the limit is ${MAX_PAYLOAD_CHARACTERS}`;
}
