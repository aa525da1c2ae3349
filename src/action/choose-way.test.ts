import { describe, expect, it } from "vitest";
import { aControlStep, aJob, aRunStep, aUsesStep } from "../plan/plan-fixture.ts";
import type { Way } from "../plan/plan.ts";
import { createWayChooser, wayWithoutManifest } from "./choose-way.ts";
import type { KnownAction, WayOptions } from "./choose-way.ts";
import { referenceText } from "./reference.ts";
import type { RemoteReference } from "./reference.ts";

const job = aJob("build");
const ORIGIN = { repository: "me/own", path: ".github/workflows/ci.yml", ref: "refs/heads/main", sha: "f".repeat(40) };

const JAVASCRIPT = "name: js\ndescription: d\nruns:\n  using: node20\n  main: index.js\n";

function composite(...steps: readonly string[]): string {
  const lines = steps.map((step) => `    - ${step}\n`);
  return `name: c\ndescription: d\nruns:\n  using: composite\n  steps:\n${lines.join("")}`;
}

interface Repository {
  /** Manifests by the directory they are in. */
  readonly [directory: string]: string;
}

function choose(uses: string, repository: Repository = {}, builtins = true): Way {
  const lookup = (directory: string) => {
    const text = repository[directory];
    return text === undefined ? undefined : { path: `${directory}/action.yml`, text };
  };
  return createWayChooser(lookup, { builtins })(aUsesStep(1, uses), job, ORIGIN);
}

/** "… is unsupported: …", as diagnostics say it. */
function sentence(way: Way): string {
  return way.kind === "unsupported" ? `${way.what} is unsupported: ${way.fix}` : JSON.stringify(way);
}

/** Actions a0, a1, …, each of which uses the next one. */
function chain(length: number): Repository {
  const manifests = Array.from({ length }, (_, index) => {
    const isLast = index === length - 1;
    return [`a${index}`, composite(isLast ? "run: echo\n      shell: sh" : `uses: ./a${index + 1}`)] as const;
  });
  return Object.fromEntries(manifests);
}

describe("the way of a step", () => {
  it("is run for run steps, the engine's own for keywords, and the same in the background as not", () => {
    const chooser = createWayChooser(
      (path) => (path === "a" ? { path: "a/action.yml", text: JAVASCRIPT } : undefined),
      {
        builtins: true,
      },
    );
    expect(chooser(aRunStep(1), job, ORIGIN)).toEqual({ kind: "run" });
    expect(chooser(aRunStep(1, { background: true }), job, ORIGIN)).toEqual({ kind: "run" });
    const way = { kind: "javascript", using: "node20", path: "a" };
    expect(chooser(aUsesStep(1, "./a", { background: true }), job, ORIGIN)).toEqual(way);
    for (const control of ["wait", "wait-all", "cancel", "parallel"] as const) {
      expect(chooser(aControlStep(1, { control }), job, ORIGIN)).toEqual({ kind: "control", control });
    }
  });

  it("is told without a manifest for steps that are met in a run, by the same rules", () => {
    const uses = ["actions/checkout@v4", "./a/../b/", ".\\c", "./../out", "docker://alpine", "o/r@v1"];
    expect(uses.map((reference) => wayWithoutManifest(aUsesStep(1, reference)))).toMatchObject([
      { kind: "builtin" },
      { kind: "local", path: "b" },
      { kind: "local", path: "c" },
      { kind: "unsupported" },
      { kind: "unsupported" },
      { kind: "unsupported" },
    ]);
  });

  it("is unsupported for a composite action with steps in the background, which GitHub refuses", () => {
    for (const step of ["{ run: echo, shell: sh, background: true }", "{ wait-all: }", "{ parallel: [] }"]) {
      expect(sentence(choose("./c", { c: composite(step) }))).toContain("cannot be read");
    }
  });

  it.each([
    "actions/checkout@v4",
    "actions/checkout@main",
    "Actions/Checkout@0123456789abcdef0123456789abcdef01234567",
  ])("is the built-in checkout for %s, unless built-ins are switched off", (uses) => {
    expect(choose(uses)).toEqual({ kind: "builtin", builtin: "checkout" });
    expect(sentence(choose(uses, {}, false))).toContain("the remote action");
  });

  it.each([
    ["octo/thing@v4", "the remote action 'octo/thing@v4' is unsupported: "],
    ["actions/checkout/sub@v4", "the remote action 'actions/checkout/sub@v4' is unsupported: "],
    ["evil/checkout@v4", "the remote action"],
    ["actions-checkout/checkout@v4", "the remote action"],
    ["o/r/.github/actions/x@v1", "the remote action"],
    ["docker://alpine:3.20", "the container action 'docker://alpine:3.20' is unsupported: "],
    ["$/actions/a", "the form '$/actions/a' is unsupported: write './actions/a'"],
    [
      "actions/checkout",
      "the reference 'actions/checkout' is unsupported: write it in one of the forms owner/repo@ref",
    ],
    ["actions/checkout@v4@v5", "the reference"],
    ["checkout@v4", "the reference"],
    ["actions/checkout@", "the reference"],
    ["", "the reference ''"],
    ["a b/c@v1", "the reference"],
    ["/etc/action@v1@v2", "the reference"],
    ["https://github.com/a/b@v1", "the reference"],
  ])("says of %s: %s", (uses, part) => {
    expect(sentence(choose(uses))).toContain(part);
  });
});

describe("the way of a local action", () => {
  it("is javascript with its runtime, whatever the spelling of the path", () => {
    const way = { kind: "javascript", using: "node20", path: "actions/a" };
    for (const uses of ["./actions/a", "./actions/a/", "./actions/../actions/./a", ".\\actions\\a"]) {
      expect(choose(uses, { "actions/a": JAVASCRIPT })).toEqual(way);
    }
    expect(choose("./", { ".": JAVASCRIPT })).toEqual({ ...way, path: "." });
  });

  it("is local when there is no manifest now", () => {
    expect(choose("./made/by/a/step")).toEqual({ kind: "local", path: "made/by/a/step" });
  });

  it.each(["./../x", "./a/../../x", ".\\..\\x", "./.."])("is unsupported outside the repository: %s", (uses) => {
    expect(sentence(choose(uses, { "../x": JAVASCRIPT, "..": JAVASCRIPT }))).toContain(
      "leads outside the repository, is unsupported",
    );
  });

  it("is unsupported for docker, by manifest and by Dockerfile", () => {
    const manifest = "name: d\ndescription: d\nruns:\n  using: docker\n  image: Dockerfile\n";
    expect(sentence(choose("./d", { d: manifest }))).toContain("the container action './d' is unsupported");
    const chooser = createWayChooser(() => ({ path: "d/Dockerfile", text: "FROM scratch" }), { builtins: true });
    const way = chooser(aUsesStep(1, "./d"), job, ORIGIN);
    expect(sentence(way)).toContain("the container action './d' is unsupported");
  });

  it("is unsupported with the reader's reason when the manifest cannot be read", () => {
    expect(sentence(choose("./a", { a: "runs: [" }))).toMatch(
      /the manifest a\/action.yml, which cannot be read, is unsupported: ./u,
    );
  });

  it("is composite with the ways of its steps, builtin and unsupported ones too", () => {
    const repository = {
      a: composite(
        "run: echo 1\n      shell: bash",
        "{ name: Get it, uses: actions/checkout@v4 }",
        "uses: ./b",
        "uses: x/y@v1",
      ),
      b: JAVASCRIPT,
    };
    expect(choose("./a", repository)).toMatchObject({
      kind: "composite",
      path: "a",
      steps: [
        { name: "Run echo 1", way: { kind: "run" } },
        { name: "Get it", way: { kind: "builtin", builtin: "checkout" } },
        { name: "./b", way: { kind: "javascript", using: "node20", path: "b" } },
        {
          name: "x/y@v1",
          way: { kind: "unsupported", what: "the remote action 'x/y@v1'" },
        },
      ],
    });
  });

  it("is unsupported in a circle, with the path around it", () => {
    const repository = { a: composite("uses: ./b"), b: composite("uses: ./c"), c: composite("uses: ./a") };
    expect(JSON.stringify(choose("./a", repository))).toContain("the recursion of actions a -> b -> c -> a");
  });

  it("nests ten deep and no deeper", () => {
    expect(JSON.stringify(choose("./a0", chain(10)))).not.toContain("unsupported");
    expect(JSON.stringify(choose("./a0", chain(11)))).toContain("nesting deeper than 10 actions");
  });

  it("stops looking into actions that multiply", () => {
    const repository: Repository = Object.fromEntries(
      Array.from({ length: 9 }, (_, index) => [
        `a${index}`,
        composite(...Array.from({ length: 10 }, () => `uses: ./a${index + 1}`)),
      ]),
    );
    const startedMs = performance.now();
    const way = JSON.stringify(choose("./a0", repository));
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(way).toContain("more than 1000 nested steps");
    expect(way.length).toBeLessThan(1_000);
  });

  it("reads each manifest once for a chooser", () => {
    let reads = 0;
    const lookup = (directory: string) => {
      reads += 1;
      return { path: `${directory}/action.yml`, text: JAVASCRIPT };
    };
    const chooser = createWayChooser(lookup, { builtins: true });
    for (const number of [1, 2, 3]) chooser(aUsesStep(number, number === 2 ? "./a/" : "./a"), job, ORIGIN);
    expect(reads).toBe(1);
  });
});

describe("the way of an action in another repository", () => {
  const SHA = "a".repeat(40);

  /** By `owner/name/path@ref`; undefined where nobody looked. */
  interface Known {
    readonly [reference: string]: string | Exclude<KnownAction, { kind: "found" }>;
  }

  function chooseKnown(
    uses: string,
    known: Known,
    options: Partial<WayOptions> & { repository?: Repository } = {},
  ): Way {
    const lookup = (directory: string) => {
      const text = options.repository?.[directory];
      return text === undefined ? undefined : { path: `${directory}/action.yml`, text };
    };
    const find = (reference: RemoteReference): KnownAction | undefined => {
      const found = known[referenceText(reference)];
      if (typeof found !== "string") return found;
      const { owner, name, path, ref } = reference;
      const manifest = found === "" ? undefined : { path: `${path === "" ? "" : `${path}/`}action.yml`, text: found };
      return { kind: "found", action: { repository: `${owner}/${name}`, path, ref, sha: SHA }, manifest };
    };
    return createWayChooser(lookup, { builtins: true, known: find, ...options })(aUsesStep(1, uses), job, ORIGIN);
  }

  it("is what its manifest at the commit says, with the commit", () => {
    const action = { repository: "octo/thing", path: "sub", ref: "v1", sha: SHA };
    const way = chooseKnown("octo/thing/sub@v1", { "octo/thing/sub@v1": JAVASCRIPT });
    expect(way).toEqual({ kind: "javascript", using: "node20", path: "sub", action });
    const docker = "name: d\ndescription: d\nruns:\n  using: docker\n  image: Dockerfile\n";
    expect(sentence(chooseKnown("octo/thing@v1", { "octo/thing@v1": docker }))).toContain(
      "the container action 'octo/thing@v1'",
    );
    expect(sentence(chooseKnown("octo/thing@v1", { "octo/thing@v1": "runs: [" }))).toContain(
      "the manifest action.yml of octo/thing@v1, which cannot be read,",
    );
    expect(sentence(chooseKnown("octo/thing@v1", { "octo/thing@v1": "" }))).toContain(`Dockerfile at commit ${SHA}`);
  });

  it("goes on in what it uses: ./ is the workspace, $/ the action's own repository, others theirs", () => {
    const known = {
      "octo/thing@v1": composite("uses: ./b", "uses: $/sub", "uses: Other/x@v2", "run: echo\n      shell: sh"),
      "octo/thing/sub@v1": composite("uses: $/"),
      "Other/x@v2": JAVASCRIPT,
    };
    const way = chooseKnown("octo/thing@v1", known, { repository: { b: JAVASCRIPT } });
    expect(way).toMatchObject({
      kind: "composite",
      action: { repository: "octo/thing", path: "" },
      steps: [
        { way: { kind: "javascript", path: "b", action: undefined } },
        { way: { kind: "composite", path: "sub", action: { repository: "octo/thing", path: "sub", ref: "v1" } } },
        { way: { kind: "javascript", action: { repository: "Other/x", ref: "v2" } } },
        { way: { kind: "run" } },
      ],
    });
    expect(JSON.stringify(way)).toContain(
      "the recursion of actions octo/thing@v1 -> octo/thing/sub@v1 -> octo/thing@v1",
    );
  });

  it("is bounded in a circle, in depth and in number", () => {
    const circle = {
      "o/a@v1": composite("uses: O/B@v1"),
      "O/B@v1": composite("uses: o/A@v1"),
      "o/A@v1": composite("uses: o/b@v1"),
    };
    expect(JSON.stringify(chooseKnown("o/a@v1", circle))).toContain("the recursion of actions o/a@v1 -> O/B@v1 -> o/");
    const deep = Object.fromEntries(
      Array.from({ length: 12 }, (_, index) => [`o/a${index}@v1`, composite(`uses: o/a${index + 1}@v1`)]),
    );
    expect(JSON.stringify(chooseKnown("o/a0@v1", deep))).toContain("nesting deeper than 10 actions");
    const wide = Object.fromEntries(
      Array.from({ length: 9 }, (_, index) => [
        `o/a${index}@v1`,
        composite(...Array.from({ length: 10 }, () => `uses: o/a${index + 1}@v1`)),
      ]),
    );
    expect(JSON.stringify(chooseKnown("o/a0@v1", wide))).toContain("more than 1000 nested steps");
  });

  it("is the real action before a built-in, a built-in where it cannot be had, and neither where it must not be used", () => {
    const uses = "actions/cache/restore@v4";
    const missing = { kind: "missing", fault: "cannot be had", fix: "x" } as const;
    const builtin = { kind: "builtin", builtin: "cache/restore" };
    expect(chooseKnown(uses, { [uses]: JAVASCRIPT })).toMatchObject({ kind: "javascript" });
    expect(chooseKnown(uses, { [uses]: missing })).toEqual(builtin);
    expect(chooseKnown(uses, {})).toEqual(builtin);
    expect(sentence(chooseKnown(uses, { [uses]: missing }, { builtins: false }))).toBe(
      "the action 'actions/cache/restore@v4', which cannot be had, is unsupported: x",
    );
    const stopped = { kind: "stopped", fault: "has moved", fix: "y" } as const;
    expect(sentence(chooseKnown(uses, { [uses]: stopped }))).toBe(
      "the action 'actions/cache/restore@v4', which has moved, is unsupported: y",
    );
    const checkout = "actions/checkout@v4";
    expect(chooseKnown(checkout, { [checkout]: JAVASCRIPT })).toMatchObject({ kind: "builtin" });
    expect(chooseKnown(checkout, { [checkout]: JAVASCRIPT }, { builtins: false })).toMatchObject({
      kind: "javascript",
    });
  });

  it("is refused by the policy before anything is looked up, built-ins and nested ones too", () => {
    const asked: string[] = [];
    const policy = (reference: RemoteReference) => {
      asked.push(referenceText(reference));
      return reference.owner === "octo" ? undefined : { fault: "is not allowed", fix: "z" };
    };
    const known = { "octo/thing@v1": composite("uses: actions/checkout@v4") };
    expect(JSON.stringify(chooseKnown("octo/thing@v1", known, { policy }))).toContain(
      "the action 'actions/checkout@v4', which is not allowed,",
    );
    expect(asked).toEqual(["octo/thing@v1", "actions/checkout@v4"]);
  });

  it("is of the file's own commit for $/ in a workflow, whatever the workspace holds", () => {
    const isOwn: WayOptions["isOwn"] = ({ repository, sha }) => repository === "me/own" && sha === ORIGIN.sha;
    const repository = { a: composite("uses: $/b", "uses: ./b"), b: JAVASCRIPT };
    const action = { repository: "me/own", path: "a", ref: ORIGIN.sha, sha: ORIGIN.sha };
    expect(chooseKnown("$/a", {}, { isOwn, repository })).toMatchObject({
      kind: "composite",
      action,
      steps: [
        { way: { kind: "javascript", action: { ...action, path: "b" } } },
        { way: { kind: "javascript", path: "b", action: undefined } },
      ],
    });
    expect(sentence(chooseKnown("$/none", {}, { isOwn, repository }))).toContain("which has no action.yml");
    // In a called workflow of another repository it is that repository.
    const known = { "me/own/a@refs/heads/main": JAVASCRIPT };
    expect(chooseKnown("$/a", known)).toMatchObject({
      kind: "javascript",
      action: { repository: "me/own", path: "a" },
    });
  });
});
