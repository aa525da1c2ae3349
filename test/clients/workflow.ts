/** The workflow that the real clients run in, on any provider, and what is to be seen of it afterwards. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Sandbox } from "../run-hearth.ts";
import { bundleActions } from "./bundle.ts";

export interface ClientSizes {
  readonly cacheBytes: readonly number[];
  readonly artifactMegabytes: number;
  /** Asked for with `@actions/http-client`, which must answer 200; undefined: nothing is asked. */
  readonly url?: string;
}

/** A repository with the actions in it. */
export async function writeClientProject(
  directory: string,
  { cacheBytes, artifactMegabytes, url = "" }: ClientSizes,
): Promise<void> {
  await bundleActions(join(directory, "actions"));
  await mkdir(join(directory, "data/deep"), { recursive: true });
  for (const [path, content] of [
    ["data/a.txt", "a"],
    ["data/deep/b.txt", "b"],
    ["data/skipped.txt", "c"],
  ] as const) {
    await writeFile(join(directory, path), content);
  }
  const caches = cacheBytes.map(
    (bytes) => `      - uses: ./actions/caches
        with: { key: "client-${bytes}-x", bytes: "${bytes}" }\n`,
  );
  await mkdir(join(directory, ".github/workflows"), { recursive: true });
  await writeFile(
    join(directory, ".github/workflows/clients.yml"),
    `on: push
jobs:
  caches:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
${caches.join("")}  upload:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: ./actions/artifacts
        with: { part: upload, megabytes: "${artifactMegabytes}" }
      - run: test -z "$ACTIONS_RUNTIME_TOKEN$ACTIONS_ID_TOKEN_REQUEST_TOKEN"
  download:
    needs: upload
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: ./actions/artifacts
        with: { part: download, megabytes: "${artifactMegabytes}" }
      - uses: ./actions/artifacts
        with: { part: concurrent }
      - uses: ./actions/artifacts
        id: leak
        continue-on-error: true
        with: { part: leak, token: "\${{ github.token }}" }
      - run: test "\${{ steps.leak.outcome }}" = failure
  runner:
    runs-on: ubuntu-latest
    permissions: { contents: read, id-token: write }
    steps:
      - uses: actions/checkout@v4
      - uses: ./actions/runner
        id: runner
        with: { pattern: "data/**", url: "${url}" }
      - run: |
          test "\${{ steps.runner.outputs.hash }}" = "\${{ hashFiles('data/**') }}"
          test -n "\${{ steps.runner.outputs.hash }}"
          test "\${{ steps.runner.outputs.found }}" = 2
          test "\${{ steps.runner.outputs.status }}" = "${url === "" ? "" : 200}"
          test "$FROM_CLIENT" = "line 1
          line 2"
          case $PATH in /from/client:*) ;; *) exit 1 ;; esac
`,
  );
}

export interface ClientsSeen {
  /** Of the run; then what it printed is empty unless it failed. */
  readonly exitCode: number | null;
  readonly trouble: string;
  /** What the clients said of themselves, without figures. */
  readonly said: readonly string[];
  /** Why uploads were refused, in the log of their step. */
  readonly refused: readonly string[];
  /** Names of the run's artifacts, and the files of one that was downloaded. */
  readonly artifacts: readonly string[];
  readonly files: number;
}

/** Everything went well. */
export const clientsPassed: ClientsSeen = {
  exitCode: 0,
  trouble: "",
  said: ["context local/project refs/heads/main true", "identity repo:local/project:ref:refs/heads/main", "secret ***"],
  refused: ['".git/config" in artifact "leak" holds a secret or a token of this run; the artifact is not kept'],
  artifacts: ["big", "many", ...Array.from({ length: 8 }, (_, index) => `part-${index}`), "ré port.html", "ünï ☃"],
  files: 1_000,
};

/** Runs it, and prints the figures. */
export async function runClients(
  place: Sandbox,
  project: string,
  [provider, ...flags]: readonly [string, ...string[]],
): Promise<ClientsSeen> {
  const options = { cwd: project };
  const { exitCode, stdout, stderr } = await place.run(["run", "--provider", provider, ...flags], options);
  const logs = (await place.run(["logs"], options)).stdout;
  const said = [...logs.matchAll(/CLIENT (?<line>.*)/g)].map((match) => match.groups?.["line"] ?? "");
  const refused = [...logs.matchAll(/##\[error\].*ARTIFACT_SECRET: (?<line>.*)/g)].map(
    (match) => match.groups?.["line"] ?? "",
  );
  const figures = said.filter((line) => line.includes("MiB/s"));
  process.stderr.write(`${provider}: ${figures.join("; ")}\n`);
  const listed = await place.run(["artifacts", "list", "--json"], options);
  const artifacts: { readonly name: string }[] = JSON.parse(listed.stdout);
  const saved = join(place.directory, "saved");
  await place.run(["artifacts", "download", "many", "--output", saved], options);
  const files = await readdir(saved, { recursive: true, withFileTypes: true });
  return {
    exitCode,
    trouble: exitCode === 0 ? "" : `${stdout}\n${stderr}\n${logs}`,
    said: said.filter((line) => !figures.includes(line)).toSorted(),
    refused,
    artifacts: artifacts.map(({ name }) => name).toSorted(),
    files: files.filter((file) => file.isFile()).length,
  };
}
