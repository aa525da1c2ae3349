/**
 * What the services are told of a run that somebody caused who may not write to the repository: it reads, and has no identity,
 * whatever its file asks for (SECURITY-RELIABILITY A24). Its secrets are never given to the engine.
 */
import { describe, expect, it } from "vitest";
import type { JobClaims, Services } from "../../src/service/services.ts";
import { runYaml } from "../run-yaml.ts";

const yaml = `
on: push
permissions: { contents: write, issues: write, checks: read, id-token: write }
jobs:
  look:
    runs-on: ubuntu-latest
    steps:
      - run: echo "secret \${{ secrets.DEPLOY_KEY || 'none' }}"
      - uses: actions/github-script@v8`;

async function claimsOf(trusted: boolean): Promise<JobClaims | undefined> {
  const seen: JobClaims[] = [];
  const services: Services = {
    attach: async () => ({
      url: "http://127.0.0.1:1",
      openJob(claims) {
        seen.push(claims);
        return { stepVariables: {}, actionVariables: {}, secrets: [], [Symbol.dispose]: () => undefined };
      },
      connections: () => 0,
      moveTo: () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    }),
  };
  const actions = { "actions/github-script@v8": { "action.yml": "runs: { using: composite, steps: [] }" } };
  const { lines } = await runYaml(yaml, { trusted, services, actions });
  expect(lines).toContain("secret none");
  return seen[0];
}

describe("a run of an outsider", () => {
  it("reads and has no identity, where the same run of a writer may write and has one", async () => {
    expect(await claimsOf(true)).toMatchObject({
      trusted: true,
      permissions: { contents: "write", issues: "write", checks: "read", "id-token": "write" },
    });
    expect(await claimsOf(false)).toMatchObject({
      trusted: false,
      permissions: { contents: "read", issues: "read", checks: "read", "id-token": "none" },
    });
  });
});
