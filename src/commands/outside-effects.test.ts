import { expect, it } from "vitest";
import type { RunEvent } from "../store/run-event.ts";
import { collectEffects } from "./outside-effects.ts";

const at = "2026-11-22T10:00:00.000Z";

function egress(job: string, step: string, host: string, allowed = true): RunEvent {
  return { at, type: "egress", job, step, host, port: 443, allowed, times: 1 };
}

it("names what left the machine from a step on, in its job and in those that run again", () => {
  const effects = collectEffects();
  effects.note(egress("test", "2", "early.example"));
  effects.note(egress("test", "3", "registry.example"));
  effects.note(egress("test", "3", "registry.example"));
  effects.note(egress("test", "4", "refused.example", false));
  effects.note(egress("deploy", "1", "cloud.example"));
  effects.note(egress("lint", "1", "elsewhere.example"));
  effects.note({
    at,
    type: "api_write",
    job: "deploy",
    method: "POST",
    path: "/repos/o/r/issues",
    status: 201,
    body: "",
  });
  const lines = effects.linesFrom({ job: "test", step: 3, again: new Set(["test", "deploy"]) });
  expect(lines.slice(1)).toEqual([
    "  test, step 3: asked registry.example:443",
    "  deploy, step 1: asked cloud.example:443",
    "  deploy: POST /repos/o/r/issues through GitHub's API",
  ]);
});

it("says nothing where nothing left, and cuts what is long", () => {
  const effects = collectEffects();
  expect(effects.linesFrom({ job: "a", step: 1, again: new Set() })).toEqual([]);
  for (let index = 0; index < 20; index += 1) effects.note(egress("a", "1", `host-${index}.example`));
  const lines = effects.linesFrom({ job: "a", step: 1, again: new Set() });
  expect(lines).toHaveLength(14);
  expect(lines.at(-1)).toBe("  and 8 more: hearth logs --network, --api");
});
