import { describe, expect, it } from "vitest";
import { run } from "./fake-command-line.ts";
import { at } from "./fake-hearth.ts";

const here = '{"kind":"repository","repository":"octo/here"}';

describe("hearth secret", () => {
  it("takes a value from standard input, without its last line break", async () => {
    const { code, stdout, stderr, hearth } = await run(["secret", "set", "npm_token"], { input: "s3cr3t\nlines\r\n" });
    expect(code).toBe(0);
    expect(hearth.calls).toEqual([`set secret npm_token ${here} "s3cr3t\\nlines"`]);
    expect(stdout).toBe("");
    expect(stderr).toBe("secret NPM_TOKEN is set for octo/here\n");
  });

  it("asks a person, and prints the value nowhere", async () => {
    const { stdout, stderr, hearth } = await run(["secret", "set", "A", "--env", "production"], { typed: "s3cr3t" });
    const scope = '{"kind":"environment","repository":"octo/here","environment":"production"}';
    expect(hearth.calls).toEqual([`set secret A ${scope} "s3cr3t"`]);
    expect(stdout + stderr).not.toContain("s3cr3t");
    expect(stderr).toBe("secret A is set for octo/here, environment production\n");
  });

  it("takes a value as it was given with --body", async () => {
    const { hearth } = await run(["secret", "set", "A", "--org", "octo", "--body", "x\n"], { input: "not this" });
    expect(hearth.calls).toEqual(['set secret A {"kind":"organisation","owner":"octo"} "x\\n"']);
  });

  it("says when nobody can be asked, and what does not go together", async () => {
    expect(await run(["secret", "set", "A", "--repo", "o/r"])).toMatchObject({ code: 2, hearth: { calls: [] } });
    expect(await run(["secret", "set", "A", "--repo", "o/r", "--org", "o", "--body", "x"])).toMatchObject({ code: 2 });
  });

  it("lists names and dates", async () => {
    const secrets = [{ name: "NPM_TOKEN", updatedAt: at, value: undefined }];
    expect((await run(["secret", "list"], { secrets })).stdout).toBe(
      "NAME       UPDATED\nNPM_TOKEN  2026-11-22 10:00\n",
    );
    expect(JSON.parse((await run(["secret", "list", "--json"], { secrets })).stdout)).toEqual([
      { name: "NPM_TOKEN", updatedAt: at },
    ]);
    expect(await run(["secret", "list", "--repo", "o/r"])).toMatchObject({ code: 0, stderr: "No secrets for o/r.\n" });
  });

  it("removes, and says when there is none", async () => {
    const secrets = [{ name: "A", updatedAt: at, value: undefined }];
    expect(await run(["secret", "rm", "A"], { secrets })).toMatchObject({
      code: 0,
      stderr: "secret A is removed from octo/here\n",
    });
    expect(await run(["secret", "rm", "B"], { secrets })).toMatchObject({ code: 2 });
  });
});

describe("hearth variable", () => {
  it("shows values, without control characters", async () => {
    const secrets = [{ name: "REGION", updatedAt: at, value: "eu\u001b[2J" }];
    expect((await run(["variable", "list"], { secrets })).stdout).not.toContain("\u001b");
    const set = await run(["variable", "set", "REGION", "--repo", "o/r", "--body", "us"]);
    expect(set.hearth.calls).toEqual(['set variable REGION {"kind":"repository","repository":"o/r"} "us"']);
  });
});
