import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTestDirectory, writeFiles } from "../git/repository.fixture.ts";
import type { TestDirectory } from "../git/repository.fixture.ts";
import { findWorkflowFiles } from "./workflow-files.ts";

let directory: TestDirectory;

beforeEach(() => {
  directory = createTestDirectory();
  writeFiles(directory.path, { ".github/workflows/ci.yml": "on: push\n", ".github/workflows/b.yaml": "on: push\n" });
});

afterEach(() => directory[Symbol.dispose]());

describe("findWorkflowFiles", () => {
  it("finds those of the project around a directory, sorted", async () => {
    const below = join(directory.path, "packages/a");
    writeFiles(directory.path, { "packages/a/readme.md": "" });
    const { project, files, standsAlone } = await findWorkflowFiles(undefined, below);
    expect(files.map((file) => basename(file))).toEqual(["b.yaml", "ci.yml"]);
    expect({ project, standsAlone }).toEqual({ project: directory.path, standsAlone: true });
  });

  it("names the workflow that a bare name may mean, and takes no other file for it", async () => {
    await expect(findWorkflowFiles(join(directory.path, "ci.yml"), directory.path)).rejects.toMatchObject({
      message: `Cannot find ${join(directory.path, "ci.yml")}`,
      hint: "There is .github/workflows/ci.yml.",
    });
    await expect(findWorkflowFiles(join(directory.path, "cd.yml"), directory.path)).rejects.toMatchObject({
      hint: "Name a workflow file or a directory.",
    });
  });
});
