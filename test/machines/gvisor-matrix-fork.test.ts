/**
 * `--matrix-fork` in real gVisor: what the cells of a matrix share runs once, processes and memory of it go on in every copy, and nothing is left.
 * Says how long the run took with it and without.
 */
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { leftovers } from "../../src/provider/gvisor/leftovers.ts";
import { gvisorProvider } from "../../src/provider/gvisor/provider.ts";
import { testForkDirectories } from "../fork-directories.ts";
import type { TestForkDirectories } from "../fork-directories.ts";
import { leftovers as leftoversOf } from "../leftovers.ts";
import { sandbox } from "../run-hearth.ts";
import { runYaml } from "../run-yaml.ts";
import type { YamlRun } from "../run-yaml.ts";
import type { GvisorFixture } from "./gvisor-fixture.ts";
import { gvisorFixture } from "./gvisor-fixture.ts";

let fixture: GvisorFixture;
beforeAll(async () => {
  fixture = await gvisorFixture();
});
afterAll(async () => fixture[Symbol.asyncDispose]());
afterEach(async () => {
  const left = await leftovers(fixture.settings.runDir);
  if (left.length > 0) throw new Error(`left behind: ${left.join("; ")}`);
});

/** The second step leaves a process behind that counts in its memory, and gives what it has counted when it is asked. */
const WORKFLOW = `
on: push
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix: { n: [1, 2, 3] }
    outputs: { id: "\${{ steps.first.outputs.id }} \${{ matrix.n }}" }
    steps:
      - id: first
        run: |
          sleep 5
          echo "id=$(cat /proc/sys/kernel/random/uuid)" >> "$GITHUB_OUTPUT"
          echo FROM_FIRST=kept >> "$GITHUB_ENV"
          dd if=/dev/urandom of=$HOME/large bs=1M count=30 status=none
          sha256sum $HOME/large > $HOME/large.sha256
      - run: |
          mkfifo ask answer
          (n=0; while read -r word < ask; do n=$((n + 1)); echo "$word $n" > answer; done) > /dev/null 2>&1 &
          echo one > ask; cat answer
      - run: |
          echo "\${{ matrix.n }}" > ask; echo "cell $(cat answer) \${{ steps.first.outputs.id }} $FROM_FIRST"
          sha256sum --quiet --check $HOME/large.sha256
          echo "own $(cat /proc/sys/kernel/random/uuid)"`;

async function timed(
  machinePer: "workflow" | "job",
  forks?: TestForkDirectories,
): Promise<{ run: YamlRun; ms: number }> {
  const from = performance.now();
  const provider = gvisorProvider(fixture.settings);
  const run = await runYaml(WORKFLOW, { provider, machinePer, ...(forks && { forks }) });
  return { run, ms: performance.now() - from };
}

it.each(["workflow", "job"] as const)(
  "runs what three cells share once, a machine per %s",
  { timeout: 300_000 },
  async (machinePer) => {
    const plain = await timed(machinePer);
    await using forks = await testForkDirectories();
    const forked = await timed(machinePer, forks);
    expect(plain.run.outcome.conclusion).toBe("success");
    expect(forked.run.outcome).toMatchObject({ conclusion: "success", counts: { declared: 9, ran: 5, skipped: 4 } });
    const idsOf = ({ run }: typeof plain): Set<string | undefined> =>
      new Set(Object.values(run.outputs).map(({ id }) => id?.split(" ")[0]));
    expect(idsOf(plain).size).toBe(3);
    expect(idsOf(forked).size).toBe(1);
    const [id] = idsOf(forked);
    const cells = forked.run.lines.filter((line) => line.startsWith("cell "));
    expect(cells.toSorted()).toEqual([1, 2, 3].map((n) => `cell ${n} 2 ${id} kept`));
    expect(new Set(forked.run.lines.filter((line) => line.startsWith("own "))).size).toBe(3);
    expect(forked.run.events.filter(({ type }) => type === "matrix_fork")).toMatchObject([
      { job: "test (1)", before: 3, cells: ["test (2)", "test (3)"] },
    ]);
    expect(forks.made).toBe(1);
    expect(await forks.left()).toEqual([]);
    const held = forked.run.events.find((event) => event.type === "matrix_fork");
    const heldMs = held?.type === "matrix_fork" ? held.durationMs : 0;
    const ratio = (plain.ms / forked.ms).toFixed(2);
    process.stdout.write(
      `machine per ${machinePer}: ${Math.round(plain.ms)} ms without, ${Math.round(forked.ms)} ms with, ${ratio} times; held up ${heldMs} ms\n`,
    );
  },
);

/** Where the machines of processes lie while they are copied, on the disk and in memory. */
async function plainDirectories(state: string, pid: number): Promise<readonly string[]> {
  const parents = [join(state, "matrix-fork"), `/dev/shm/hearth-${process.getuid?.() ?? 0}`];
  const found = await Promise.all(
    parents.map(async (parent) => (await readdir(parent).catch(() => [])).map((name) => join(parent, name))),
  );
  return found.flat().filter((path) => path.includes(`/work-${pid}-`));
}

it(
  "leaves a saved machine to the next run when it is killed, and nobody else can read it",
  { timeout: 300_000 },
  async () => {
    await using place = await sandbox();
    const state = join(place.directory, "state");
    const workflows = join(place.directory, ".github", "workflows");
    await mkdir(workflows, { recursive: true });
    const write = (seconds: number): Promise<void> =>
      writeFile(
        join(workflows, "m.yml"),
        `
on: push
jobs:
  test:
    runs-on: ubuntu-latest
    strategy: { max-parallel: 1, matrix: { n: [1, 2] } }
    steps: [{ run: echo first }, { run: "sleep ${seconds} # \${{ matrix.n }}" }]`,
      );
    const args = ["run", "--provider", "gvisor", "--matrix-fork"];
    await write(600);
    const killed = place.start(args);
    await expect
      .poll(async () => (await plainDirectories(state, killed.pid)).length, { timeout: 120_000 })
      .toBeGreaterThan(0);
    const [path = ""] = await plainDirectories(state, killed.pid);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    killed.kill("SIGKILL");
    await killed.ended;
    expect(await plainDirectories(state, killed.pid)).toEqual([path]);

    await write(0);
    const next = place.start(args);
    const { exitCode, stdout } = await next.ended;
    expect(exitCode).toBe(0);
    expect(stdout).toContain("shared with job test (1): success");
    expect(await plainDirectories(state, killed.pid)).toEqual([]);
    expect(await plainDirectories(state, next.pid)).toEqual([]);
    expect(await leftoversOf(place)).toEqual([]);
  },
);
