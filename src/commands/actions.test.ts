import { describe, expect, it } from "vitest";
import type { KeptAction } from "../git/kept-actions.ts";
import type { ManageReport } from "../select/manage-actions.ts";
import { run as runCommand } from "./fake-command-line.ts";

const OLD = "a".repeat(40);
const NEW = "b".repeat(40);

const report: ManageReport = {
  repository: "/repo",
  changes: [
    { reference: "octo/a@v1", before: OLD, after: NEW },
    { reference: "octo/b@v1", before: undefined, after: NEW },
    { reference: "octo/c@v1", before: OLD, after: undefined },
    { reference: "octo/d@v1", before: OLD, after: OLD },
  ],
  failures: [],
  warnings: [],
};

const failed: ManageReport = {
  ...report,
  failures: [{ reference: "octo/x\u001b[31m@v1", reason: "it cannot be had: y" }],
};

const kept: KeptAction = {
  host: "github.com",
  repository: "octo/a",
  sha: OLD,
  names: ["v1", "v1.2.0"],
  usedAt: new Date("2026-01-02T03:04:05Z"),
  place: { cwd: "/data" },
};

async function run(argv: readonly string[], options: Parameters<typeof runCommand>[1]) {
  const { code, stdout, stderr } = await runCommand(argv, options);
  return { code, out: linesOf(stdout), err: linesOf(stderr) };
}

function linesOf(text: string): readonly string[] {
  return text === "" ? [] : text.replace(/\n$/u, "").split("\n");
}

describe("hearth lock", () => {
  it("tells what changed", async () => {
    const { code, out } = await run(["lock"], { managed: report });
    expect(code).toBe(0);
    expect(out).toEqual([
      `octo/a@v1  moved from aaaaaaaaaaaa to ${NEW}`,
      `octo/b@v1  added at ${NEW}`,
      "octo/c@v1  removed",
      ".hearth/lock.yml: 3 references pinned, 3 changed",
    ]);
  });

  it("says what could not be found, and that nothing was written", async () => {
    const { code, out, err } = await run(["lock"], { managed: failed });
    expect(code).toBe(5);
    expect(out).toEqual([]);
    expect(err.join("\n")).toContain("it cannot be had: y");
    expect(err.join("\n")).not.toContain("\u001b");
    expect(err.at(-1)).toBe(".hearth/lock.yml was not written, since 1 reference could not be found");
  });
});

describe("hearth actions", () => {
  it("fetch tells what it kept and what it did not find", async () => {
    const good = await run(["actions", "fetch"], { managed: report });
    expect([good.code, good.out.at(-1)]).toEqual([0, "4 references kept, 0 not found"]);
    const bad = await run(["actions", "fetch"], { managed: failed });
    expect([bad.code, bad.out.at(-1)]).toEqual([5, "4 references kept, 1 not found"]);
  });

  it("list shows names, commits and use, as text and as JSON", async () => {
    const { out } = await run(["actions", "list"], { keptActions: [kept, { ...kept, names: [] }] });
    expect(out[1]).toBe(`octo/a@v1,v1.2.0                                 ${OLD}  2026-01-02  github.com`);
    expect(out[2]).toContain(`octo/a@${OLD}  ${OLD}`);
    const json = await run(["actions", "list", "--json"], { keptActions: [kept] });
    expect(JSON.parse(json.out.join("\n"))).toEqual([
      {
        host: "github.com",
        repository: "octo/a",
        sha: OLD,
        names: ["v1", "v1.2.0"],
        usedAt: "2026-01-02T03:04:05.000Z",
      },
    ]);
    const none = await run(["actions", "list"], {});
    expect([none.code, none.out]).toEqual([0, []]);
  });

  it("verify fails for what is broken and for what is pinned and not kept", async () => {
    const verified = [{ action: kept, fault: undefined }];
    expect((await run(["actions", "verify"], { verified: { verified, lacking: [] } })).code).toBe(0);
    const { code, out, err } = await run(["actions", "verify"], {
      verified: { verified: [...verified, { action: kept, fault: "bad object" }], lacking: ["octo/b@v1"] },
    });
    expect([code, out]).toEqual([5, ["2 actions read, 1 broken, 1 lacking"]]);
    expect(err).toEqual(["octo/a@v1,v1.2.0: bad object", "octo/b@v1: pinned by the lock file, and not kept"]);
  });

  it("prune removes what was not used for 30 days, or as long as it is told", async () => {
    const { out } = await run(["actions", "prune"], { keptActions: [kept] });
    expect(out).toEqual(["octo/a@v1,v1.2.0", "1 action removed"]);
    expect((await run(["actions", "prune", "--older-than", "soon"], {})).code).toBe(2);
  });
});
