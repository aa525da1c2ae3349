/** Against GitHub's own example payloads (`@octokit/webhooks-examples`), with our ids in them. */
import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { buttonOfDelivery } from "./button-of-delivery.ts";

const APP = "99";

interface Example {
  readonly name: string;
  readonly examples: readonly ({ readonly action?: string } & Record<string, unknown>)[];
}
const examples: readonly Example[] = createRequire(import.meta.url)(
  "@octokit/webhooks-examples/api.github.com/index.json",
);

/** GitHub's payload of this event and action, its check run or suite changed. */
function payloadOf(event: "check_run" | "check_suite", action: string, changes: object, more: object = {}): object {
  const all = examples.find(({ name }) => name === event)?.examples ?? [];
  const found = all.find((one) => one.action === action);
  if (found === undefined) throw new Error(`there is no example of ${event}.${action}`);
  return { ...found, [event]: { ...Object(found[event]), app: { id: 99, client_id: "Iv1.abc" }, ...changes }, ...more };
}

const ours = { external_id: "hearth:12:2:build (22)", conclusion: "failure" };

describe("buttons on GitHub", () => {
  it.each([
    ["failure", true],
    ["cancelled", true],
    ["success", false],
    ["skipped", false],
  ])("re-run a check run that ended with %s", (conclusion, failedOnly) => {
    const payload = payloadOf("check_run", "rerequested", { ...ours, conclusion });
    const button = { kind: "rerun", repository: "github/hello-world", run: 12, attempt: 2, failedOnly };
    expect(buttonOfDelivery("check_run", payload, APP)).toEqual(button);
    expect(buttonOfDelivery("check_run", payload, "Iv1.abc")).toEqual(button);
  });

  it.each([
    ["rerun_failed", { kind: "rerun", failedOnly: true }],
    ["rerun_all", { kind: "rerun", failedOnly: false }],
    ["cancel", { kind: "cancel", run: 12 }],
    ["rm -rf", { kind: "nothing" }],
  ])("of our own: %s", (identifier, wanted) => {
    const payload = payloadOf("check_run", "requested_action", ours, { requested_action: { identifier } });
    expect(buttonOfDelivery("check_run", payload, APP)).toMatchObject(wanted);
  });

  it("re-run a commit", () => {
    const payload = payloadOf("check_suite", "rerequested", {});
    expect(buttonOfDelivery("check_suite", payload, APP)).toEqual({
      kind: "rerun_commit",
      repository: "Codertocat/Hello-World",
      headSha: expect.stringMatching(/^[0-9a-f]{40}$/),
    });
  });

  it("do nothing on what waits for approval but say how", () => {
    const payload = payloadOf("check_run", "rerequested", { external_id: "hearth:12:0:" });
    expect(buttonOfDelivery("check_run", payload, APP)).toEqual({
      kind: "nothing",
      reason: "it waits for approval: hearth approve 12",
    });
  });

  it.each(["", "hearth:0:1:", "hearth:1e3:1:", "hearth:12", "hearth:9999999999999999:1:", "x hearth:1:1:"])(
    "do nothing on a check run with the id %j",
    (external_id) => {
      const payload = payloadOf("check_run", "rerequested", { external_id });
      expect(buttonOfDelivery("check_run", payload, APP)).toMatchObject({ kind: "nothing" });
    },
  );

  it("do nothing on check runs and suites of another App, or where there is none of ours", () => {
    const theirs = payloadOf("check_run", "rerequested", { ...ours, app: { id: 98 } });
    expect(buttonOfDelivery("check_run", theirs, APP)).toMatchObject({ kind: "nothing" });
    expect(buttonOfDelivery("check_run", payloadOf("check_run", "rerequested", ours), undefined)).toMatchObject({
      kind: "nothing",
    });
    const suite = payloadOf("check_suite", "rerequested", { app: { id: 98 } });
    expect(buttonOfDelivery("check_suite", suite, APP)).toMatchObject({ kind: "nothing" });
  });

  it("are nothing else of all that GitHub sends", () => {
    const pressed = examples.flatMap(({ name, examples: all }) =>
      all
        .filter((payload) => buttonOfDelivery(name, payload, APP) !== undefined)
        .map(({ action }) => `${name}.${action}`),
    );
    expect(new Set(pressed)).toEqual(
      new Set(["check_run.rerequested", "check_run.requested_action", "check_suite.rerequested"]),
    );
    for (const payload of [null, 1, "x", [], {}, { action: "rerequested" }]) {
      expect(buttonOfDelivery("check_run", payload, APP)).toBeUndefined();
    }
  });
});
