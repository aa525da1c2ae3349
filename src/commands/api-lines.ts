/** `hearth logs --api`: what jobs changed through GitHub's API, and what they sent, in the order of the events. */
import type { RunEvent } from "../store/run-event.ts";
import { plainText } from "./display-text.ts";

export type ApiWriteEvent = Extract<RunEvent, { type: "api_write" }>;

/** What was sent stands below, indented; JSON with its members on lines of their own. */
export function apiLines({ job, method, path, status, body }: ApiWriteEvent): readonly string[] {
  const sent = body === "" ? [] : readable(body).split("\n");
  return [`${job} | ${method} ${path} ${status}`, ...sent.map((line) => `  ${line}`)].map(plainText);
}

/** A body that was cut is no JSON any more, and is shown as it is. */
function readable(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
