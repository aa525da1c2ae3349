import { describe, expect, it } from "vitest";
import { readManifest } from "../action/manifest.ts";
import { hostsIn } from "./check-scripts.ts";
import { checkTranslation } from "./check-translation.ts";
import { findRule, listRules } from "./rule-library.ts";
import type { Rule } from "./rule-library.ts";

function ruleOf(name: string): Rule {
  const [owner = "", repository = ""] = name.split("/");
  const rule = findRule({ owner, name: repository, path: "" });
  if (rule === undefined) throw new Error(`no rule ${name}`);
  return rule;
}

describe("rules", () => {
  it("are found by the action's name, whatever its case, and not for an action below it", () => {
    expect(findRule({ owner: "Astral-SH", name: "Setup-UV", path: "" })?.name).toBe("astral-sh/setup-uv");
    expect(findRule({ owner: "astral-sh", name: "setup-uv", path: "sub" })).toBeUndefined();
    expect(findRule({ owner: "nobody", name: "nothing", path: "" })).toBeUndefined();
  });

  it("stand for actions that do not need GitHub or docker", () => {
    expect(listRules().length).toBeGreaterThanOrEqual(15);
    for (const name of [
      "docker/login-action",
      "docker/build-push-action",
      "actions/github-script",
      "actions/labeler",
    ]) {
      expect(listRules()).not.toContain(name);
    }
  });
});

describe.each(listRules())("the rule %s", (name) => {
  const rule = ruleOf(name);

  it("passes every check, with its own hosts and no others", async () => {
    const subject = { original: undefined, use: { with: {}, outputsUsed: [] }, hosts: rule.named };
    expect(await checkTranslation(rule.manifest, subject)).toMatchObject({ kind: "accepted" });
    const named = hostsIn(rule.manifest.replace(/^hearth:\n(?: .*\n)+/mu, ""));
    const without = await checkTranslation(rule.manifest, { ...subject, hosts: [] });
    expect(without.kind).toBe(named.length > 0 ? "refused" : "accepted");
  });

  it("is named for its action, and refuses an input that it does not know", async () => {
    const read = readManifest("rule", rule.manifest);
    if (read.kind !== "read") throw new Error("the rule cannot be read");
    expect(read.manifest.name?.toLowerCase()).toBe(name);
    const use = { with: { "no-such-input": "text" }, outputsUsed: [] };
    expect(await checkTranslation(rule.manifest, { original: undefined, use, hosts: rule.named })).toMatchObject({
      kind: "refused",
      refusals: [{ check: "inputs" }],
    });
  });

  it("reads every input that has an effect through its environment", () => {
    const read = readManifest("rule", rule.manifest);
    if (read.kind !== "read" || read.manifest.runs.kind !== "composite") throw new Error("no composite");
    for (const step of read.manifest.runs.steps) {
      expect(step.kind === "run" && step.run.kind).toBe("literal");
    }
  });

  it("says which host it lacks wherever it fetches", () => {
    const fetches = /curl |npm install|pip install|apt-get install|cargo install|go install|rustup toolchain/u;
    const says = fetches.test(rule.manifest) ? /::error::[^\n]*(?:needs|host)/u : /not uploaded|nothing is restored/u;
    expect(rule.manifest).toMatch(says);
  });
});
