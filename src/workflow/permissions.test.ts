import { describe, expect, it } from "vitest";
import { effectivePermissions, PERMISSION_SCOPES, type Permissions } from "./permissions.ts";
import { readWorkflow } from "./read-workflow.ts";

describe("permissions as a file writes them", () => {
  it.each<[yaml: string, given: { readonly [scope: string]: string }]>([
    ["{ contents: write, id-token: write }", { contents: "write", "id-token": "write" }],
    ["{ contents: none, issues: read }", { issues: "read" }],
    ["{}", {}],
    [
      "{ models: read, vulnerability-alerts: read, copilot-requests: write }",
      {
        "copilot-requests": "write",
        models: "read",
        "vulnerability-alerts": "read",
      },
    ],
    [
      "{ artifact-metadata: write, attestations: write, code-quality: read, drives: write }",
      {
        "artifact-metadata": "write",
        attestations: "write",
        "code-quality": "read",
        drives: "write",
      },
    ],
  ])("reads %s, and the rest is none", (yaml, given) => {
    expect(read(yaml).permissions).toEqual({ ...all("none"), ...given });
  });

  it("reads read-all as reading every scope that can be read", () => {
    expect(read("read-all").permissions).toEqual({ ...all("read"), "copilot-requests": "none" });
  });

  it("reads write-all as writing every scope that can be written", () => {
    const most = { ...all("write"), models: "read", "vulnerability-alerts": "read" };
    expect(read("write-all").permissions).toEqual(most);
  });

  it.each([
    ["${{ inputs.level }}", "Unexpected value '${{ inputs.level }}'"],
    ["{ contents: '${{ inputs.level }}' }", "Unexpected value '${{ inputs.level }}'"],
    ["{ secrets: read }", "Unexpected value 'secrets'"],
    ["{ metadata: read }", "Unexpected value 'metadata'"],
    ["{ Contents: read }", "Unexpected value 'Contents'"],
    ["{ contents: admin }", "Unexpected value 'admin'"],
    ["{ contents: Read }", "Unexpected value 'Read'"],
    ["{ id-token: read }", "Unexpected value 'read'"],
    ["{ models: write }", "Unexpected value 'write'"],
    ["none", "Unexpected value 'none'"],
    ["[contents]", "A sequence was not expected"],
    ["", "Unexpected value ''"],
  ])("refuses %s: %s", (yaml, message) => {
    const result = readWorkflow("ci.yml", fileWith(yaml));
    const diagnostics = result.kind === "refused" ? result.diagnostics : [];
    expect(diagnostics.map((it) => it.message)).toContain(message);
    expect(diagnostics[0]).toMatchObject({ file: "ci.yml", at: { line: 2 } });
    expect(diagnostics[0]?.key).toMatch(/^permissions/);
  });
});

describe("what a job's token may do", () => {
  const reading = only({ contents: "read" });
  const writing = only({ contents: "write", issues: "write" });

  it("is reading contents and packages where no file says anything", () => {
    const byDefault = { ...all("none"), contents: "read", packages: "read", metadata: "read" };
    expect(effectivePermissions([link()])).toEqual(byDefault);
    expect(effectivePermissions([link(), link()])).toEqual(byDefault);
  });

  it("is nearly everything but an identity where the repository is permissive", () => {
    expect(effectivePermissions([link()], "permissive")).toMatchObject({ contents: "write", "id-token": "none" });
  });

  it("is what the workflow says, or what the job says instead", () => {
    expect(effectivePermissions([link(writing)])).toEqual({ ...writing, metadata: "read" });
    expect(effectivePermissions([link(writing, reading)])).toEqual({ ...reading, metadata: "read" });
    expect(effectivePermissions([link(reading, writing)])).toEqual({ ...writing, metadata: "read" });
  });

  it("is the caller's in a called workflow that says nothing", () => {
    expect(effectivePermissions([link(undefined, writing), link()])).toEqual({ ...writing, metadata: "read" });
  });

  it("is narrowed by every workflow on the way, and widened by none", () => {
    expect(effectivePermissions([link(writing), link(reading), link()])).toMatchObject({
      contents: "read",
      issues: "none",
    });
    expect(effectivePermissions([link(reading), link(undefined, writing)])).toMatchObject({
      contents: "read",
      issues: "none",
    });
    expect(effectivePermissions([link(), link(writing)])).toMatchObject({ contents: "read", issues: "none" });
  });

  it("can always read metadata, which no file may name", () => {
    expect(effectivePermissions([link(only({}))])).toEqual({ ...all("none"), metadata: "read" });
  });
});

function read(permissions: string): { readonly permissions: Permissions | undefined } {
  const result = readWorkflow("ci.yml", fileWith(permissions));
  if (result.kind === "refused") throw new Error(JSON.stringify(result.diagnostics));
  const [job] = result.workflow.jobs;
  expect(job?.permissions).toEqual(result.workflow.permissions);
  return result.workflow;
}

function fileWith(permissions: string): string {
  return `on: push
permissions: ${permissions}
jobs:
  a:
    permissions: ${permissions}
    runs-on: x
    steps: [{ run: echo }]`;
}

function all(level: string): { readonly [scope: string]: string } {
  return Object.fromEntries(PERMISSION_SCOPES.map((scope) => [scope, level]));
}

function only(given: Permissions): Permissions {
  return Object.fromEntries(PERMISSION_SCOPES.map((scope) => [scope, given[scope] ?? "none"]));
}

function link(workflow?: Permissions, job?: Permissions): Parameters<typeof effectivePermissions>[0][number] {
  return { workflow: { permissions: workflow }, job: { permissions: job } };
}
