import { describe, expect, it } from "vitest";
import { createApiState, EMPTY_SEED, parseApiSeed } from "./api-seed.ts";

describe("parseApiSeed", () => {
  it("takes little for an answer", () => {
    const seed = parseApiSeed(
      '{ "issues": [{ "title": "One" }], "labels": ["bug", { "name": "docs", "color": "000000" }] }',
      "s.json",
    );
    expect(seed).toEqual({
      ...EMPTY_SEED,
      issues: [{ title: "One" }],
      labels: [{ name: "bug" }, { name: "docs", color: "000000" }],
    });
  });

  it.each([
    ["{", "JSON"],
    ["[]", "expected an object"],
    ['{ "issue": [] }', "'issue' is none of issues, pulls, labels, milestones, releases"],
    ['{ "issues": {} }', "'issues' is no list"],
    ['{ "issues": ["x"] }', "issues[0] is no object"],
    ['{ "pulls": [{ "title": "a" }, { "number": 2 }] }', "pulls[1] has no 'title'"],
    ['{ "issues": [{ "title": "a", "number": 0.5 }] }', "issues[0] has a number that is none"],
    ['{ "releases": [{ "name": "a" }] }', "releases[0] has no 'tag_name'"],
  ])("refuses %s and says where", (text, message) => {
    expect(() => parseApiSeed(text, "s.json")).toThrow(
      expect.objectContaining({ code: "BAD_CONFIG", message: expect.stringContaining(message) }),
    );
  });
});

describe("createApiState", () => {
  it("begins with what the event is about, and lets the seed say more of it", () => {
    const payload = {
      issue: { number: 3, title: "Real", id: 99, labels: [{ name: "bug", color: "1" }], user: { login: "ann" } },
      comment: { id: 12, body: "Do it" },
    };
    const seed = { ...EMPTY_SEED, issues: [{ number: 3, title: "Seeded", comments: ["More"] }, { title: "Next" }] };
    const state = createApiState(payload, seed);
    expect(state.thread(3)).toMatchObject({ kind: "issue", fields: { title: "Seeded", id: 99 }, labels: ["bug"] });
    expect(state.comments.of("3").map(({ id, fields }) => [id, fields["body"]])).toEqual([
      [12, "Do it"],
      [expect.any(Number), "More"],
    ]);
    expect(state.thread(4)).toMatchObject({ fields: { title: "Next" } });
  });

  it("takes an issue of the event that is a pull request for one", () => {
    const state = createApiState({ issue: { number: 2, title: "PR", pull_request: { url: "x" } } }, EMPTY_SEED);
    expect(state.thread(2)?.kind).toBe("pull");
  });

  it("names the branches of a seeded pull request by their names alone", () => {
    const seed = {
      ...EMPTY_SEED,
      pulls: [{ number: 2, title: "PR", head: "topic", base: "main", reviews: [{ state: "APPROVED", user: "bob" }] }],
    };
    const state = createApiState({}, seed);
    expect(state.thread(2)?.fields).toMatchObject({ head: { ref: "topic" }, base: { ref: "main" } });
    expect(state.reviews.of("2")).toMatchObject([{ fields: { state: "APPROVED", user: { login: "bob" } } }]);
  });
});
