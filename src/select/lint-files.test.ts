import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createRepository, createTestDirectory, writeFiles } from "../git/repository.fixture.ts";
import type { TestDirectory } from "../git/repository.fixture.ts";
import { lintFiles } from "./lint-files.ts";
import { selectWorkflows } from "./select-workflows.ts";
import type { SelectRequest } from "./select-workflows.ts";

let directory: TestDirectory;

beforeEach(() => {
  directory = createTestDirectory();
  createRepository(directory.path, {
    ".github/workflows/a.yml": workflow(
      "{ uses: ./.github/actions/outer }",
      "{ uses: ./../elsewhere }",
      "{ uses: ./absent }",
    ),
    ".github/workflows/b.yml": workflow("{ uses: ./.github/actions/inner/ }"),
    ".github/workflows/broken.yml": "on: push\njobs: []\n",
    ".github/actions/outer/action.yml": action(
      "{ uses: ./.github/actions/inner }",
      "{ uses: ./.github/actions/outer }",
    ),
    ".github/actions/inner/action.yaml": action("{ run: 'echo ${{ github.head_ref }}', shell: bash }"),
    ".github/actions/unused/action.yml": action("{ run: 'echo ${{ github.head_ref }}', shell: bash }"),
  });
});

afterEach(() => directory[Symbol.dispose]());

function workflow(...steps: readonly string[]): string {
  return `on: push\npermissions: {}\njobs: { a: { runs-on: ubuntu-latest, steps: [${steps.join(", ")}] } }\n`;
}

function calls(name: string): string {
  return `jobs: { a: { uses: octo/${name}/.github/workflows/x.yml@v1 } }\n`;
}

function action(...steps: readonly string[]): string {
  return `name: x\nruns: { using: composite, steps: [${steps.join(", ")}] }\n`;
}

describe("lint of a directory", () => {
  it("follows the composite actions that steps use, each once, and tells what cannot be read", async () => {
    const { files, findings, diagnostics } = await lintFiles(undefined, directory.path);
    expect(files).toBe(3);
    expect(findings.map(({ file, rule }) => `${file} ${rule}`)).toEqual([
      ".github/actions/inner/action.yaml template-injection",
    ]);
    expect(diagnostics.map(({ file }) => file)).toEqual([".github/workflows/broken.yml"]);
  });
});

describe("a selection", () => {
  const request: SelectRequest = {
    path: undefined,
    event: "push",
    payload: undefined,
    job: undefined,
    matrix: [],
    inputs: {},
    vars: {},
    skipUnsupported: false,
  };

  async function select(wishes: Partial<SelectRequest>) {
    return selectWorkflows(
      { ...request, ...wishes },
      {
        workingDirectory: directory.path,
        actor: "ada",
        mirrorDir: undefined,
        remote: { serverUrl: "http://127.0.0.1:1", token: undefined, directory: join(directory.path, "data") },
        scratch: async () => {
          throw new Error("nothing here checks out");
        },
        host: {
          provider: "host",
          cpus: 1,
          memoryMib: 1024,
          arch: "X64",
          images: async () => [],
          variable: () => undefined,
          takesNetwork: false,
        },
      },
    );
  }

  it("has the findings of each file, and plans the file all the same", async () => {
    const { results, findings } = await select({});
    expect(results.map(({ kind }) => kind)).toEqual(["planned", "planned", "refused"]);
    expect(findings.map((found) => found.map(({ severity }) => severity))).toEqual([["error"], ["error"], []]);
    // The same object, so that it is counted once.
    expect(findings[0]?.[0]).toBe(findings[1]?.[0]);
  });

  it("holds back what has an error when it is strict", async () => {
    const { results } = await select({ strict: true });
    const errors = results.flatMap((result) => (result.kind === "planned" ? result.warnings : []));
    expect(errors.filter(({ kind }) => kind === "error").map(({ file, message }) => `${file} ${message}`)).toEqual([
      expect.stringContaining(".github/actions/inner/action.yaml E_UNTRUSTED_EXPR: github.head_ref"),
      expect.stringContaining(".github/actions/inner/action.yaml E_UNTRUSTED_EXPR: github.head_ref"),
    ]);
  });

  it("asks where called workflows are for those alone that the event starts", async () => {
    writeFiles(directory.path, {
      ".github/workflows/a.yml": `on: push\n${calls("asked")}`,
      ".github/workflows/b.yml": `on: issues\n${calls("not-asked")}`,
    });
    const { results } = await select({});
    const told = results.map((result) => (result.kind === "refused" ? "" : JSON.stringify(result)));
    expect(told[0]).toContain("http://127.0.0.1:1/octo/asked.git: ");
    expect(told[1]).not.toContain("http://127.0.0.1:1/octo");
  });
});
