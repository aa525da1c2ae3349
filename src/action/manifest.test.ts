import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { type ActionManifest, readManifest } from "./manifest.ts";

function read(text: string): { readonly manifest: ActionManifest; readonly warnings: readonly string[] } {
  const result = readManifest("action.yml", text);
  if (result.kind === "refused") throw new Error(result.diagnostics.map((it) => formatDiagnostic(it)).join("\n"));
  return { manifest: result.manifest, warnings: result.warnings.map((it) => formatDiagnostic(it)) };
}

function refusals(text: string): readonly string[] {
  const result = readManifest("action.yml", text);
  return result.kind === "read" ? [] : result.diagnostics.map((it) => formatDiagnostic(it));
}

function action(...runs: readonly string[]): string {
  return ["name: x", "description: y", "runs:", ...runs.map((line) => `  ${line}`)].join("\n");
}

describe("an action manifest", () => {
  it("of a JavaScript action holds its hooks, which run always unless it says otherwise", () => {
    const { manifest } = read(action("using: node20", "main: main.js", "post: post.js", "post-if: success()"));
    expect(manifest.runs).toMatchObject({
      kind: "javascript",
      using: "node20",
      main: "main.js",
      pre: undefined,
      preIf: { expression: "always()" },
      post: "post.js",
      postIf: { expression: "success()" },
    });
  });

  it("of a composite action holds its steps, with ids and conditions", () => {
    const { manifest } = read(
      action("using: composite", "steps:", "  - { run: a, shell: bash, id: one }", "  - { uses: ./b, if: always() }"),
    );
    expect(manifest.runs).toMatchObject({
      kind: "composite",
      steps: [
        { id: "one", idGiven: true, shell: { value: "bash" }, condition: { expression: "success()" } },
        { id: "__self", uses: "./b", condition: { expression: "always()" } },
      ],
    });
  });

  it("of a docker action holds image, arguments and entry points", () => {
    const { manifest } = read(
      action("using: docker", "image: Dockerfile", "args: [-v, '${{ inputs.level }}']", "post-entrypoint: clean"),
    );
    expect(manifest.runs).toMatchObject({
      kind: "docker",
      image: "Dockerfile",
      args: [{ value: "-v" }, { expression: "inputs.level" }],
      postEntrypoint: "clean",
    });
  });

  it("holds inputs and outputs", () => {
    const inputs =
      "inputs: { a: { default: '${{ github.token }}', required: true, deprecationMessage: use b }, b: {} }";
    const outputs = "outputs: { c: { value: '${{ steps.one.outputs.c }}' }, d: { description: z } }";
    const { manifest } = read([action("using: node24", "main: m.js"), inputs, outputs].join("\n"));
    expect(manifest.inputs).toMatchObject([
      { name: "a", default: { expression: "github.token" }, required: true, deprecationMessage: "use b" },
      { name: "b", default: undefined, required: false },
    ]);
    expect(manifest.outputs).toMatchObject([
      { name: "c", value: { expression: "steps.one.outputs.c" } },
      { name: "d", value: undefined },
    ]);
  });

  test.each([
    ["a description", "name: x\nruns: { using: node20, main: a }", "Required property is missing: description"],
    ["a known icon", `${action("using: node20", "main: a")}\nbranding: { icon: none }`, "Unexpected value 'none'"],
    ["known keys", `${action("using: node20", "main: a", "extra: 1")}\nother: 1`, "Unexpected value 'extra'"],
    [
      "a good default",
      `${action("using: node20", "main: a")}\ninputs: { a: { default: '\${{ secrets.X }}' } }`,
      "secrets",
    ],
  ])("is usable without %s, with a warning", (_name, text, message) => {
    expect(read(text).warnings[0]).toContain(message);
  });

  test.each([
    ["runs", "name: x\ndescription: y", "action.yml:1:1: error: Required property is missing: runs"],
    ["anything", "", "action.yml:1:1: error: The file is empty, or comments only"],
    [
      "a known runtime",
      action("using: node99", "main: a"),
      "action.yml:4:10: error: Unexpected value 'node99' (runs.using)",
    ],
    ["a main file", action("using: node20"), "Required property is missing: main"],
    [
      "a shell for each script",
      action("using: composite", "steps: [{ run: a }]"),
      "Required property is missing: shell",
    ],
    ["steps that do something", action("using: composite", "steps: [{ name: a }]"), "runs.steps[0]"],
    [
      "contexts it may read",
      action("using: composite", "steps: [{ run: '${{ secrets.X }}', shell: sh }]"),
      "Unrecognized named-value: 'secrets'",
    ],
    ["a sane depth", "[".repeat(1_000), "Maximum object depth exceeded"],
  ])("is refused without %s", (_name, text, message) => {
    expect(refusals(text).join("\n")).toContain(message);
  });

  it("is read or refused with an error, whatever the text", () => {
    const key = fc.constantFrom(
      "name",
      "runs",
      "using",
      "steps",
      "node20",
      "composite",
      "main",
      "inputs",
      "default",
      "x",
    );
    const { node } = fc.letrec<{ node: unknown }>((tie) => ({
      node: fc.oneof({ maxDepth: 5 }, key, fc.array(tie("node"), { maxLength: 3 }), fc.dictionary(key, tie("node"))),
    }));
    fc.assert(
      fc.property(
        fc.oneof(
          node.map((value) => JSON.stringify(value)),
          fc.string(),
        ),
        (text) => {
          const result = readManifest("action.yml", text);
          expect(result.kind === "read" || result.diagnostics.some((it) => it.kind === "error")).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });
});
