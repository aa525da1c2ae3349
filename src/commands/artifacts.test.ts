import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { run } from "./fake-command-line.ts";
import { at } from "./fake-hearth.ts";
import type { FakeHearthOptions } from "./fake-hearth.ts";

const stored: NonNullable<FakeHearthOptions["stored"]> = [
  {
    run: "mh3k2aaaaaa",
    runNumber: 1,
    attempt: 1,
    title: undefined,
    repository: "/repo",
    workflow: ".github/workflows/ci.yml",
    event: "push",
    startedAt: at,
    state: { status: "in_progress" },
    events: [],
  },
];
const artifacts: NonNullable<FakeHearthOptions["artifacts"]> = [
  { id: 3, name: "report", sizeBytes: 700, mimeType: "text/html" },
  { id: 4, name: "evil\u001b[2J", sizeBytes: 3 << 20, mimeType: "application/zip" },
  { id: 9, name: "report", sizeBytes: 5000, mimeType: "application/zip" },
].map((artifact) => ({ attempt: 1, sha256: "0".repeat(64), createdAt: at, expiresAt: at, ...artifact }));

describe("hearth artifacts", () => {
  it("lists what a run has, and shows a name that a job made up without its control characters", async () => {
    const { code, stdout } = await run(["artifacts", "list", "mh3"], { stored, artifacts });
    expect(code).toBe(0);
    expect(stdout.split("\n").slice(0, 2)).toEqual([
      "ID  SIZE   TYPE             CREATED           EXPIRES     NAME",
      "3   700 B  text/html        2026-11-22 10:00  2026-11-22  report",
    ]);
    expect(stdout).not.toContain("\u001b");
    expect((await run(["artifacts", "list"], { stored })).stderr).toContain("has no artifacts");
  });

  it("prints them as one JSON document", async () => {
    const { stdout } = await run(["artifacts", "list", "--json"], { stored, artifacts });
    expect(JSON.parse(stdout)).toEqual(artifacts);
  });

  it("saves the newest of a name, of the latest run or the one named", async () => {
    for (const argv of [["report"], ["mh3", "report"]]) {
      const { code, hearth } = await run(["artifacts", "download", ...argv], { stored, artifacts });
      expect({ code, calls: hearth.calls }).toEqual({
        code: 0,
        calls: ["artifacts of mh3k2aaaaaa", `save artifact 9 in ${resolve("report")}`],
      });
    }
    const named = await run(["artifacts", "download", "report", "-o", "/tmp/x"], { stored, artifacts });
    expect(named.hearth.calls).toContain("save artifact 9 in /tmp/x");
  });

  it("shows what earlier attempts of the run have uploaded as well", async () => {
    const again = stored.map((one) => ({ ...one, run: "zzz", attempt: 2, firstRun: one.run }));
    const { hearth } = await run(["artifacts", "list", "zzz"], { stored: [...again, ...stored], artifacts });
    expect(hearth.calls).toEqual(["artifacts of mh3k2aaaaaa"]);
  });

  it("says what there is where there is none of that name", async () => {
    const { code, stderr, hearth } = await run(["artifacts", "download", "nope"], { stored, artifacts });
    expect({ code, calls: hearth.calls }).toEqual({ code: 2, calls: ["artifacts of mh3k2aaaaaa"] });
    expect(stderr).toContain("It has report, evil");
    expect(stderr).not.toContain("\u001b");
  });
});

describe("hearth oidc", () => {
  it("prints the public keys, and makes a new one", async () => {
    const { stdout } = await run(["oidc", "jwks"]);
    expect(JSON.parse(stdout)).toEqual({ keys: [{ kid: "k1" }] });
    const rotated = await run(["oidc", "rotate"]);
    expect(rotated.hearth.calls).toEqual(["rotate"]);
    expect(rotated.stderr).toContain("hearth oidc jwks");
  });
});
