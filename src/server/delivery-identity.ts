/**
 * What makes two deliveries the same happening. The GUID is a header, which the signature does not cover: who has one captured delivery
 * could send it again under another GUID (SECURITY-RELIABILITY A03). And a repository's webhook and an App tell of the same push twice.
 */
import { createHash } from "node:crypto";
import { isRecord, valueIn } from "./payload.ts";
import type { Payload } from "./payload.ts";

/**
 * A digest, or undefined for the events that a person may mean twice in the same words: of those only the GUID tells, and TLS is
 * what keeps them from being captured.
 */
export function identityOf(event: string, payload: Payload): string | undefined {
  if (MEANT_AGAIN.includes(event)) return undefined;
  if (event === "push") {
    // Without `pushed_at` a branch could not go back and forth between two commits.
    const places = [["ref"], ["before"], ["after"], ["repository", "pushed_at"]];
    return digest(places.map((place) => valueIn(payload, ...place)));
  }
  if (event === "pull_request") {
    const places = [["action"], ["number"], ["pull_request", "head", "sha"], ["pull_request", "updated_at"]];
    // Two labels given at once are two deliveries of the same second.
    const about = ["label", "assignee", "requested_reviewer", "requested_team", "milestone", "changes", "before"];
    return digest([...places.map((place) => valueIn(payload, ...place)), ...about.map((name) => payload[name])]);
  }
  // An App's deliveries differ from a webhook's by this alone.
  const { installation: _installation, ...said } = payload;
  return digest(said);
}

const MEANT_AGAIN = ["workflow_dispatch", "repository_dispatch", "schedule"];

function digest(value: unknown): string {
  return createHash("sha256")
    .update(JSON.stringify(inOrder(value)))
    .digest("hex");
}

/** Of a delivery that was fetched by API the members may stand in another order. Depth is bounded where a body is taken. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (!isRecord(value)) return value ?? null;
  const entries = Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return entries.map(([name, member]) => [name, inOrder(member)]);
}
