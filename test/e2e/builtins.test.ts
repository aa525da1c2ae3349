/**
 * One workflow for the built-ins and for the actions that they stand for: what steps after them see must be the same. The real ones
 * run where HEARTH_TEST_MIRROR names a directory with them (`actions/cache.git` and so on); the tools are scripts that say a version.
 */
import { execFileSync } from "node:child_process";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { sandbox } from "../run-hearth.ts";
import type { Sandbox } from "../run-hearth.ts";

const WORKFLOW = `
on: push
jobs:
  first:
    runs-on: ubuntu-latest
    steps:
      - run: echo 24 > .nvmrc; printf 'module x\\n\\ngo 1.25.1\\n' > go.mod; echo '{}' > package-lock.json; mkdir "$HOME/of-npm"
      - { uses: actions/setup-node@v7, id: node, with: { node-version-file: .nvmrc, registry-url: "https://npm.example", scope: us, cache: npm } }
      - run: echo "R node $(node --version) \${{ steps.node.outputs.node-version }} \${{ steps.node.outputs.cache-hit }} \${{ steps.node.outputs.cache-primary-key }}"; tr '\\n' ' ' < "$NPM_CONFIG_USERCONFIG" | sed 's/^/R npmrc /'
      - { uses: actions/setup-python@v7, id: py, with: { python-version: "3.1" } }
      - run: echo "R py $(python) \${{ steps.py.outputs.python-version }} \${pythonLocation#"$RUNNER_TOOL_CACHE"} \${LD_LIBRARY_PATH#"$RUNNER_TOOL_CACHE"}"
      - { uses: actions/setup-go@v7, id: go, with: { go-version-file: go.mod, cache: false } }
      - run: echo "R go $(go version) \${{ steps.go.outputs.go-version }} $GOTOOLCHAIN"
      - { uses: actions/setup-node@v7, id: none, continue-on-error: true, with: { node-version: 18.0.1, mirror: "http://127.0.0.1:1" } }
      - run: echo "R absent \${{ steps.none.outcome }}"
      - { uses: actions/cache@v5, id: cache, with: { path: "data", key: k-1, restore-keys: k- } }
      - run: echo "R cache [\${{ steps.cache.outputs.cache-hit }}]"; mkdir -p data out/sub w; echo 1 > data/now; echo 1 > out/a.txt; echo 2 > out/sub/b.txt; echo 3 > out/.hidden; echo 4 > w/w.txt
      - { uses: actions/upload-artifact@v7, id: up, with: { name: result, path: out } }
      - { uses: actions/upload-artifact@v7, with: { name: other, path: out/a.txt } }
      - { uses: actions/upload-artifact@v7, with: { name: other, path: out/sub/b.txt, overwrite: true } }
      - { uses: actions/upload-artifact@v7, with: { name: two, path: "out/*.txt\\nw\\n!**/b.txt" } }
      - { uses: actions/upload-artifact@v7, with: { name: hidden, path: out, include-hidden-files: true } }
      - { uses: actions/upload-artifact@v7, id: twice, continue-on-error: true, with: { name: other, path: w } }
      - { uses: actions/upload-artifact@v7, id: no, continue-on-error: true, with: { name: no, path: nowhere, if-no-files-found: error } }
      - { uses: actions/upload-artifact@v7, id: warn, with: { name: no, path: nowhere } }
      - run: echo "R up \${{ steps.twice.outcome }} \${{ steps.no.outcome }} \${{ steps.warn.outcome }} [\${{ steps.warn.outputs.artifact-id }}] \${{ steps.up.outputs.artifact-id > 0 }} \${{ endsWith(steps.up.outputs.artifact-url, steps.up.outputs.artifact-id) }}"
      - { uses: actions/download-artifact@v8, with: { path: all } }
      - { uses: actions/download-artifact@v8, with: { name: result, path: named } }
      - { uses: actions/download-artifact@v8, with: { pattern: o*, path: one } }
      - { uses: actions/download-artifact@v8, with: { artifact-ids: "\${{ steps.up.outputs.artifact-id }}", path: id } }
      - { uses: actions/download-artifact@v8, with: { pattern: "{result,two}", merge-multiple: true, path: merged } }
      - { uses: actions/download-artifact@v8, id: gone, continue-on-error: true, with: { name: gone } }
      - run: for d in all named one id merged; do echo "R $d" $(cd $d && find . -type f | sort); done; echo "R gone \${{ steps.gone.outcome }} $(cat one/b.txt)"
  second:
    needs: first
    runs-on: ubuntu-latest
    steps:
      - { uses: actions/cache/restore@v5, id: r, with: { path: data, key: nothing, restore-keys: k- } }
      - run: echo "R restore [\${{ steps.r.outputs.cache-hit }}] \${{ steps.r.outputs.cache-primary-key }} \${{ steps.r.outputs.cache-matched-key }} $(cat data/now)"; rm -r data
      - { uses: actions/cache@v5, id: l, with: { path: data, key: k-1, lookup-only: true } }
      - run: echo "R lookup [\${{ steps.l.outputs.cache-hit }}] $(ls)"
      - { uses: actions/cache/restore@v5, id: m, continue-on-error: true, with: { path: data, key: never, fail-on-cache-miss: true } }
      - run: echo "R miss \${{ steps.m.outcome }} [\${{ steps.m.outputs.cache-hit }}]"; mkdir data; echo 2 > data/now
      - { uses: actions/cache/save@v5, with: { path: data, key: k-1 } }
      - { uses: actions/cache/save@v5, with: { path: data, key: k-2 } }
      - run: rm -r data
      - { uses: actions/cache/restore@v5, id: s, with: { path: data, key: k-2 } }
      - run: echo "R saved [\${{ steps.s.outputs.cache-hit }}] $(cat data/now)"
`;

const EXPECTED = [
  "R node v24.1.0 v24.1.0 false node-cache-Linux-x64-npm-",
  "R npmrc //npm.example/:_authToken=${NODE_AUTH_TOKEN} @us:registry=https://npm.example/",
  "R py python 3.1.4 3.1.4 /Python/3.1.4/x64 /Python/3.1.4/x64/lib",
  "R go go version go1.25.1 linux/amd64 1.25.1 local",
  "R absent failure",
  "R cache []",
  "R up failure failure success [] true true",
  "R all ./hidden/.hidden ./hidden/a.txt ./hidden/sub/b.txt ./other/b.txt ./result/a.txt ./result/sub/b.txt ./two/out/a.txt ./two/w/w.txt",
  "R named ./a.txt ./sub/b.txt",
  "R one ./b.txt",
  "R id ./a.txt ./sub/b.txt",
  "R merged ./a.txt ./out/a.txt ./sub/b.txt ./w/w.txt",
  "R gone failure 2",
  "R restore [false] nothing k-1 1",
  "R lookup [true]",
  "R miss failure []",
  "R saved [true] 2",
];

const TOOLS = {
  "node/24.1.0": { node: "v24.1.0", npm: "/tmp/none", yarn: "1.22.0" },
  "Python/3.1.4": { python: "python 3.1.4" },
  "go/1.25.1": { go: "go version go1.25.1 linux/amd64" },
};

async function putTools(dataDir: string): Promise<void> {
  for (const [tool, programs] of Object.entries(TOOLS)) {
    const directory = join(dataDir, "tools/cache", tool, "x64");
    for (const [name, says] of Object.entries(programs)) {
      const path = join(directory, "bin", name);
      await mkdir(dirname(path), { recursive: true });
      // `npm config get cache` and `go env` say a directory.
      const other =
        name === "npm" || name === "go" ? `case "$1" in config|env) echo "$HOME/of-${name}"; exit;; esac; ` : "";
      await writeFile(path, `#!/bin/sh\n${other}echo '${says}'\n`);
      await chmod(path, 0o755);
    }
    await writeFile(`${directory}.complete`, "");
  }
}

async function linesSeen(place: Sandbox, args: readonly string[]): Promise<readonly string[]> {
  const { directory } = place;
  const project = join(directory, "project");
  const home = join(directory, "home");
  const data = join(directory, "data");
  for (const path of [join(project, ".github/workflows"), home, data]) await mkdir(path, { recursive: true });
  await writeFile(join(project, ".github/workflows/ci.yml"), WORKFLOW);
  execFileSync("git", ["init", "--quiet", "--initial-branch", "main"], { cwd: project });
  await putTools(data);
  const env = { HOME: home, HEARTH_DATA: data, XDG_CACHE_HOME: home };
  const ended = await place.run(["run", "--provider", "host", "--json", ...args], { cwd: project, env });
  const events = ended.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const failed = events.filter(({ type, fate }) => type === "step_completed" && fate.conclusion === "failure");
  expect(failed).toEqual([]);
  expect(events.at(-1)).toMatchObject({ conclusion: "success" });
  return events
    .filter(({ type, line }) => type === "log" && String(line).startsWith("R "))
    .map(({ line }) =>
      String(line)
        .replace(/(?<=-npm-)[0-9a-f]{64}$/u, "")
        .trimEnd(),
    );
}

const mirror = process.env["HEARTH_TEST_MIRROR"];

describe.runIf(process.arch === "x64")("the built-in actions", () => {
  it("leave to the steps after them what the real ones do", async () => {
    await using place = await sandbox();
    expect(await linesSeen(place, [])).toEqual(EXPECTED);
  });

  it.runIf(mirror !== undefined)("are held against the real ones: HEARTH_TEST_MIRROR", async () => {
    await using place = await sandbox();
    expect(await linesSeen(place, ["--no-builtins", "--mirror", mirror ?? ""])).toEqual(EXPECTED);
  });
});
