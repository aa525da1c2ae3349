import { describe, expect, it } from "vitest";
import { faultOfPayload } from "./check-payload.ts";

function properties(count: number): { [name: string]: number } {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, index]));
}

/** As JSON in GitHub's print `{\n  "p": "x…"\n}` takes 13 characters beside the text. */
function text(length: number): { p: string } {
  return { p: "é".repeat(length - 13) };
}

describe("faultOfPayload", () => {
  it.each([
    ["an event type", { action: "build" }],
    ["the API's own word for it", { event_type: "build", client_payload: null }],
    ["100 characters of event type", { action: "é".repeat(100) }],
    ["10 properties", { action: "x", client_payload: properties(10) }],
    ["65,535 characters", { action: "x", client_payload: text(65_535) }],
  ])("takes of a repository_dispatch %s", (_, payload) => {
    expect(faultOfPayload("repository_dispatch", payload)).toBeUndefined();
  });

  it.each([
    ["a repository_dispatch needs its event type, as `action`", {}],
    ["a repository_dispatch needs its event type, as `action`", { action: "" }],
    ["the event type is longer than 100 characters", { action: "é".repeat(101) }],
    ["`client_payload` must be an object", { action: "x", client_payload: [1] }],
    ["`client_payload` has 11 properties; the limit is 10", { action: "x", client_payload: properties(11) }],
    ["`client_payload` is 65536 characters long; the limit is 65535", { action: "x", client_payload: text(65_536) }],
    ["`action` must be a string", { action: 1 }],
  ])("says: %s", (message, payload) => {
    expect(faultOfPayload("repository_dispatch", payload)).toBe(message);
  });

  it("has no limits for what GitHub itself sends", () => {
    expect(faultOfPayload("push", { commits: properties(50) })).toBeUndefined();
    expect(faultOfPayload("issues", {})).toBeUndefined();
    expect(faultOfPayload("issues", { action: {} })).toBe("`action` must be a string");
  });
});
