import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GraphqlSyntaxError, parseGraphql } from "./api-graphql-parse.ts";
import { serveApi } from "./api.fixture.ts";

const IN_REPOSITORY = (query: string): string =>
  `query ($o: String = "octo", $n: String!) { repository(owner: $o, name: $n) { ${query} } }`;

describe("GraphQL", () => {
  it("answers at every address that clients use", async () => {
    await using api = await serveApi();
    for (const [base, path] of [
      ["", "/graphql"],
      ["/api", "/graphql"],
      ["/api/v3", "/graphql"],
    ] as const) {
      const { body } = await api.ask("POST", path, { base, body: { query: "{ viewer { login __typename } }" } });
      expect(body).toEqual({ data: { viewer: { login: "github-actions[bot]", __typename: "User" } } });
    }
  });

  it("reads variables, defaults, aliases, fragments and directives", async () => {
    await using api = await serveApi();
    const query = `
      # the pull request, twice
      query Q($n: String!, $number: Int = 1, $with: Boolean!) {
        repository(owner: "octo", name: $n) {
          first: pullRequest(number: $number) { ...Parts title @skip(if: true) }
          pullRequest(number: 1) { title @include(if: $with), body }
          object(expression: "topic:docs") { __typename ... on Tree { entries { name type object { ... on Blob { text isBinary } } } } ... on Blob { text } }
        }
      }
      fragment Parts on PullRequest { number labels(first: 10) { nodes { name } } author { login } }`;
    expect(await api.graphql(query, { n: "repo", with: false })).toEqual({
      data: {
        repository: {
          first: { number: 1, labels: { nodes: [{ name: "docs" }] }, author: { login: "ann" } },
          pullRequest: { body: "It adds one." },
          object: {
            __typename: "Tree",
            entries: [{ name: "guide.md", type: "blob", object: { text: "Guide\n", isBinary: false } }],
          },
        },
      },
    });
  });

  it("reads history, files and commits of a pull request", async () => {
    await using api = await serveApi();
    const query = IN_REPOSITORY(`
      defaultBranchRef { name target { ... on Commit { oid messageHeadline history(first: 1) { nodes { oid } pageInfo { hasNextPage } } } } }
      pullRequest(number: 1) {
        state headRefOid baseRefName changedFiles additions mergeable
        files(first: 2) { nodes { path changeType } pageInfo { endCursor hasNextPage } totalCount }
        commits(last: 1) { nodes { commit { oid statusCheckRollup { state } } } }
      }
      refs(refPrefix: "refs/tags/", first: 5) { nodes { name } }`);
    expect(await api.graphql(query, { n: "repo" })).toMatchObject({
      data: {
        repository: {
          defaultBranchRef: {
            name: "main",
            target: {
              oid: api.commits.main,
              history: { nodes: [{ oid: api.commits.main }], pageInfo: { hasNextPage: true } },
            },
          },
          pullRequest: {
            state: "OPEN",
            headRefOid: api.commits.topic,
            baseRefName: "main",
            changedFiles: 3,
            additions: 2,
            mergeable: "MERGEABLE",
            files: {
              nodes: [{ path: "docs/guide.md", changeType: "ADDED" }, { changeType: "RENAMED" }],
              pageInfo: { hasNextPage: true },
              totalCount: 3,
            },
            commits: { nodes: [{ commit: { oid: api.commits.topic, statusCheckRollup: null } }] },
          },
          refs: { nodes: [{ name: "v1.0.0" }, { name: "v1.1.0" }] },
        },
      },
    });
  });

  it("pages by cursors", async () => {
    await using api = await serveApi({ seed: { issues: [1, 2, 3].map((n) => ({ number: n + 10, title: `${n}` })) } });
    const page = async (args: string): Promise<unknown> => {
      const { data } = await api.graphql(
        IN_REPOSITORY(`issues(${args}) { nodes { number } pageInfo { endCursor hasNextPage hasPreviousPage } }`),
        { n: "repo" },
      );
      return data;
    };
    const first = await page("first: 2");
    expect(first).toMatchObject({
      repository: {
        issues: { nodes: [{ number: 13 }, { number: 12 }], pageInfo: { hasNextPage: true, hasPreviousPage: false } },
      },
    });
    const cursor = /"endCursor":"(?<cursor>[^"]+)"/.exec(JSON.stringify(first))?.groups?.["cursor"];
    expect(await page(`first: 2, after: "${cursor}"`)).toMatchObject({
      repository: { issues: { nodes: [{ number: 11 }], pageInfo: { hasNextPage: false, hasPreviousPage: true } } },
    });
    expect(await page("last: 1")).toMatchObject({ repository: { issues: { nodes: [{ number: 11 }] } } });
  });

  it("changes what REST then shows, by the ids that REST gives", async () => {
    await using api = await serveApi({ seed: { labels: [{ name: "bug" }] } });
    const comment = `mutation ($id: ID!, $body: String!) { addComment(input: { subjectId: $id, body: $body }) { commentEdge { node { id databaseId author { login } } } subject { id } } }`;
    const made = await api.graphql(comment, { id: "PR_real", body: "From GraphQL" });
    expect(made).toMatchObject({
      data: {
        addComment: { commentEdge: { node: { author: { login: "github-actions" } } }, subject: { id: "PR_real" } },
      },
    });
    const id = /"id":"(IC_\w+)"/.exec(JSON.stringify(made))?.[1];
    expect(
      await api.graphql(
        `mutation { minimizeComment(input: { subjectId: "${id}", classifier: OUTDATED }) { minimizedComment { isMinimized minimizedReason } } }`,
      ),
    ).toEqual({
      data: { minimizeComment: { minimizedComment: { isMinimized: true, minimizedReason: "outdated" } } },
    });
    const label = /"node_id":"(LA_\w+)"/.exec(JSON.stringify(await api.get("/repos/octo/repo/labels/bug")))?.[1];
    await api.graphql(
      `mutation { addLabelsToLabelable(input: { labelableId: "PR_real", labelIds: ["${label}"] }) { clientMutationId } }`,
    );
    expect(await api.get("/repos/octo/repo/issues/1")).toMatchObject({
      comments: 1,
      labels: [{ name: "docs" }, { name: "bug" }],
    });
    await api.graphql(`mutation { closePullRequest(input: { pullRequestId: "PR_real" }) { pullRequest { state } } }`);
    expect(await api.get("/repos/octo/repo/pulls/1")).toMatchObject({ state: "closed" });
    expect(api.writes).toHaveLength(4);
    expect(await api.graphql(comment, { id: "PR_none", body: "x" })).toMatchObject({ errors: [{ type: "NOT_FOUND" }] });
  });

  it("says in the log what it does not know", async () => {
    await using api = await serveApi();
    await api.graphql(IN_REPOSITORY("discussions(first: 1) { nodes { id } }"), { n: "repo" });
    expect(api.lines).toEqual([
      "hearth: the GraphQL API refused a query: Field 'discussions' doesn't exist on type 'Repository'",
    ]);
  });
});

/** Anything but a document or a syntax error is thrown. */
function readOrRefuse(text: string): "fine" {
  try {
    parseGraphql(text);
  } catch (error) {
    if (!(error instanceof GraphqlSyntaxError)) throw error;
  }
  return "fine";
}

describe("parseGraphql", () => {
  it("reads texts in both forms", () => {
    const { operations } = parseGraphql(
      '{ a(b: "x\\n\\u0041", c: """\n    one\n      two\n  """, d: [1, -2.5e1, null, E], e: { f: $g }) }',
    );
    const [selection] = operations[0]?.selection ?? [];
    expect(selection?.kind === "field" ? [...selection.args] : []).toEqual([
      ["b", { kind: "scalar", value: "x\nA" }],
      ["c", { kind: "scalar", value: "one\n  two" }],
      ["d", { kind: "list", items: [1, -25, null, "E"].map((value) => ({ kind: "scalar", value })) }],
      ["e", { kind: "object", fields: new Map([["f", { kind: "variable", name: "g" }]]) }],
    ]);
  });

  it("gives a document or a syntax error for any text", () => {
    const tokens = [
      "{",
      "}",
      "(",
      ")",
      "[",
      "]",
      ":",
      "$",
      "!",
      "@",
      "...",
      "on",
      "query",
      "fragment",
      "a",
      '"x"',
      "1",
      "=",
      "#c\n",
      ",",
      '"',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...tokens), { maxLength: 30 }), (parts) => {
        expect(readOrRefuse(parts.join(" "))).toBe("fine");
      }),
      { numRuns: 3_000 },
    );
  });
});
