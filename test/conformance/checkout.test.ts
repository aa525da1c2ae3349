/** The built-in checkout in surroundings that people have. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { hostProvider } from "../../src/provider/host/provider.ts";
import { runYaml } from "../run-yaml.ts";

const WORKFLOW = `
on: push
jobs:
  job:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: cat file.txt
      - run: git remote get-url origin
`;

it.each([
  ["github.com is reached by ssh", '[url "git@github.com:"]\n  insteadOf = https://github.com/\n'],
  ["github.com is a mirror of the company", '[url "http://127.0.0.1:9/"]\n  insteadOf = https://github.com/\n'],
])("checks out where the user's git is told that %s", async (_name, config) => {
  const directory = await mkdtemp(join(tmpdir(), "hearth-test-"));
  try {
    const global = join(directory, "gitconfig");
    await writeFile(global, config);
    const provider = hostProvider({ env: { ...process.env, GIT_CONFIG_GLOBAL: global, GIT_CONFIG_NOSYSTEM: "1" } });
    const run = await runYaml(WORKFLOW, { provider, files: { "file.txt": "content\n" } });
    expect(run.fates).toEqual({ "job/1": "success", "job/2": "success", "job/3": "success" });
    expect(run.lines).toContain("content");
  } finally {
    await rm(directory, { recursive: true });
  }
});
