/** What a hostile job asks: SECURITY-RELIABILITY A16, A17, A18, A20 at the API's door. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { git, serveApi } from "./api.fixture.ts";
import type { ServedApi } from "./api.fixture.ts";
import { ApiState } from "./api-state.ts";
import { isRefName, treePath } from "./api-revision.ts";

const R = "/repos/octo/repo";

/** For all requests that are to change nothing. */
let api: ServedApi;
beforeAll(async () => {
  api = await serveApi({ withMirror: true });
});
afterAll(() => api[Symbol.asyncDispose]());

/** As it is written, which `fetch` would tidy up. */
function rawStatus({ origin, token }: ServedApi, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request(origin, { path, headers: { authorization: `Bearer ${token}` } });
    asked.once("error", reject);
    asked.once("response", (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.end();
  });
}

describe("without the job's token", () => {
  it.each([
    ["none", {}],
    ["another", { authorization: "Bearer hearth_other" }],
    ["a beginning of it", { authorization: "token hearth_test-toke" }],
    ["an empty one", { authorization: "token " }],
    ["another scheme", { authorization: "Digest hearth_test-token" }],
    ["basic with another", { authorization: `Basic ${Buffer.from("hearth_test-token:x").toString("base64")}` }],
  ])("%s: nothing is answered, and no body is read", async (_name, headers) => {
    await using api = await serveApi();
    for (const [method, path] of [
      ["GET", R],
      ["GET", "/meta"],
      ["POST", `${R}/issues`],
      ["GET", `${R}/none`],
    ] as const) {
      const { status, body } = await api.ask(method, path, {
        headers,
        token: "",
        ...(method === "POST" ? { body: { title: "x" } } : {}),
      });
      expect(status).toBe(401);
      expect(JSON.stringify(body)).toMatch(/Requires authentication|Bad credentials/);
    }
    expect(
      (await api.ask("POST", "/graphql", { headers, token: "", base: "/api", body: { query: "{viewer{login}}" } }))
        .status,
    ).toBe(401);
    expect(api.lines).toEqual([]);
  });

  it.each([
    ["token", "token hearth_test-token"],
    ["bearer", "bearer hearth_test-token"],
    ["basic", `Basic ${Buffer.from("x-access-token:hearth_test-token").toString("base64")}`],
  ])("is known by %s", async (_name, authorization) => {
    expect((await api.ask("GET", R, { headers: { authorization } })).status).toBe(200);
  });
});

describe("names in a path", () => {
  const HOSTILE = [
    `${R}/contents/..%2f..%2fetc/passwd`,
    `${R}/contents/%2e%2e/%2e%2e/etc/passwd`,
    `${R}/contents/%00`,
    `${R}/contents/src%0aHEAD`,
    `${R}/contents/README.md?ref=--output=/tmp/x`,
    `${R}/contents/README.md?ref=main:README.md`,
    `${R}/contents/README.md?ref=main%0aHEAD`,
    `${R}/contents/README.md?ref=:/First`,
    `${R}/contents/README.md?ref=main@{1}`,
    `${R}/contents/README.md?ref=main^{/First}`,
    `${R}/commits/--all`,
    `${R}/commits/--output=x`,
    `${R}/commits/HEAD@%7bu%7d`,
    `${R}/branches/-d`,
    `${R}/branches/..%2f..%2fHEAD`,
    `${R}/git/ref/../HEAD`,
    `${R}/git/ref/heads/-x`,
    `${R}/git/trees/--help`,
    `${R}/git/blobs/--help`,
    `${R}/git/blobs/HEAD`,
    `${R}/compare/--help...main`,
    `${R}/compare/main...--output=x`,
    `${R}/tarball/--remote=x`,
    `${R}/tarball/-o%2ftmp%2fx`,
    `${R}/zipball/--exec=x`,
    `${R}/%zz`,
    "/repos/../octo/repo",
    "/repos/octo/..%2frepo",
    "/repos/-octo/repo",
    "/repos/octo/..",
    "/repos/other%2ftools/repo",
    "/repos//repo",
    `${R}/issues/1e3`,
    `${R}/issues/-1`,
    `${R}/issues/99999999999999999`,
  ];

  it.each(HOSTILE)("%s is refused or finds nothing", async (path) => {
    const status = (await rawStatus(api, `/api/v3${path}`)) ?? 0;
    expect([404, 422]).toContain(status);
  });

  it("that are a prefix of no ref list none", async () => {
    expect(await api.get(`${R}/git/matching-refs/--format=x`)).toEqual([]);
  });

  it("never become an option, a range or a suffix", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (name) => {
        if (!isRefName(name)) return;
        expect(name).not.toMatch(/^-|\.\.|[\0-\x20~^:?*[\\]|@\{/);
      }),
      { numRuns: 5_000 },
    );
    expect(["main", "feature/x", "v1.0.0", "renovate/node-24.x", "a@b"].every(isRefName)).toBe(true);
    expect(
      ["", "-x", "a..b", "a b", "a:b", "a^", "a~1", "a@{1}", "a/", "/a", "a//b", "a.lock", ".a", "a/.b", "a\nb"].some(
        isRefName,
      ),
    ).toBe(false);
  });

  it("are plain paths of a tree or nothing", () => {
    expect(treePath("/docs//a.md/")).toBe("docs/a.md");
    for (const path of ["..", "a/../b", "a/./b", "a\nb", "a\0b", "x".repeat(5_000)])
      expect(() => treePath(path)).toThrow("Not Found");
  });

  it("of dates and authors are no options", async () => {
    expect((await api.ask("GET", `${R}/commits?since=--output%3Dx`)).status).toBe(422);
    expect(await api.get(`${R}/commits?author=--output%3D${encodeURIComponent(join(tmpdir(), "x"))}`)).toEqual([]);
    expect(await api.get(`${R}/commits?path=:(exclude)src`)).toEqual([]);
  });

  it("do not put control characters into the log", async () => {
    await using api = await serveApi();
    await api.ask("GET", `${R}/x%1b%5d0;t%07%0a%23%23%5berror%5d`);
    expect(api.lines.join()).toContain("/repos/octo/repo/x?]0;t??##[error]");
    expect(api.lines.join()).toMatch(/^[\x20-\x7e]*$/);
  });
});

describe("bodies", () => {
  it.each([
    ["no JSON", Buffer.from("{"), 400],
    ["a list", Buffer.from("[1]"), 400],
    ["nested without end", Buffer.from(`${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`), 400],
    ["a title that is no text", Buffer.from('{"title":{}}'), 422],
    ["a text beyond GitHub's", Buffer.from(JSON.stringify({ title: "x".repeat(70_000) })), 422],
    ["larger than what is read", Buffer.alloc((8 << 20) + 1, 0x20), 413],
  ])("with %s are refused", async (_name, body, status) => {
    await using api = await serveApi();
    expect((await api.ask("POST", `${R}/issues`, { body })).status).toBe(status);
    expect(api.writes).toEqual([]);
  });

  it("cannot reach prototypes", async () => {
    await using api = await serveApi();
    const body = Buffer.from('{"title":"t","__proto__":{"state":"closed"},"constructor":{"prototype":{"x":1}}}');
    expect((await api.ask("POST", `${R}/issues`, { body })).body).toMatchObject({ state: "open" });
    expect("x" in {}).toBe(false);
  });

  it("are kept to a limit, and then writing is refused as by a rate limit", async () => {
    const state = new ApiState();
    const write = (): unknown => state.comments.add("1", { body: "x".repeat(1 << 20) });
    for (let count = 0; count < 63; count += 1) write();
    expect(() => {
      write();
      write();
    }).toThrow("secondary rate limit");
  });
});

describe("GraphQL", () => {
  it.each([
    ["nested too deep", `{ a ${"{ a ".repeat(200)} ${"}".repeat(200)} }`],
    [
      "fragments that name each other",
      `query { viewer { ...A } } fragment A on User { ...B } fragment B on User { ...A }`,
    ],
    ["too many aliases", `{ ${Array.from({ length: 25_000 }, (_, n) => `a${n}: __typename`).join(" ")} }`],
    ["a query beyond what is read", `{ ${" ".repeat(300_000)} viewer { login } }`],
    ["half a query", "{ viewer { login "],
    ["an unknown field", `{ repository(owner: "octo", name: "repo") { secrets } }`],
    ["a field of a prototype", `{ repository(owner: "octo", name: "repo") { constructor } }`],
    ["too long a list", `{ repository(owner: "octo", name: "repo") { issues(first: 101) { totalCount } } }`],
    ["a list without a bound", `{ repository(owner: "octo", name: "repo") { issues { totalCount } } }`],
  ])("refuses %s, and gives no data", async (_name, query) => {
    const answer = await api.graphql(query);
    expect(answer).toMatchObject({ errors: [{ message: expect.any(String) }] });
    expect(answer).not.toHaveProperty("data");
  });

  it("knows no other repository, not even a mirror", async () => {
    expect(await api.graphql(`{ repository(owner: "other", name: "tools") { name } }`)).toMatchObject({
      data: { repository: null },
      errors: [{ type: "NOT_FOUND" }],
    });
  });
});

describe("a repository that somebody else configured", () => {
  it("runs nothing of it", async () => {
    await using api = await serveApi();
    // The fixture's own lookup names the repository's `.git`.
    const marker = join(tmpdir(), `hearth-api-marker-${process.pid}`);
    const root = api.directory;
    for (const [key, value] of [
      ["diff.external", `touch ${marker}`],
      ["diff.x.textconv", `touch ${marker};cat`],
      ["core.fsmonitor", `touch ${marker}`],
      ["core.pager", `touch ${marker}`],
      ["tar.tar.command", `touch ${marker};cat`],
    ] as const)
      git(root, ["config", key, value]);
    await writeFile(join(root, ".git/info/attributes"), "* diff=x\n");
    for (const path of [
      "/commits/topic",
      "/compare/main...topic",
      "/pulls/1/files",
      "/tarball/main",
      "/contents/README.md",
    ])
      expect((await api.ask("GET", `${R}${path}`)).status).toBe(200);
    expect(existsSync(marker)).toBe(false);
  });
});
