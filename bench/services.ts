/**
 * What the services cost beside a plain copy of the same bytes: the real clients of actions/cache and of upload- and
 * download-artifact move 200 MiB that do not compress, over loopback. Their figures hold the start of Node, tar, zstd and zip, as
 * they do in a job.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Masker } from "../src/joblog/masker.ts";
import { createServices } from "../src/service/local-services.ts";
import { measure, printTimings } from "./measure.ts";
import type { Timing } from "./measure.ts";

const MIB = 1024 ** 2;
const SIZE_MIB = 200;
const ROUNDS = 5;
const CACHE = import.meta.resolve("@actions/cache");
const ARTIFACT = import.meta.resolve("@actions/artifact");

export async function measureServices(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), "hearth-bench-services-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(scratch, { recursive: true, force: true }));
  const workspace = join(scratch, "workspace");
  mkdirSync(join(workspace, "data"), { recursive: true });
  writeFileSync(join(workspace, "data", "file"), randomBytes(SIZE_MIB * MIB));

  const services = createServices({
    lookup: () => undefined,
    kept: {
      stateDir: join(scratch, "state"),
      settings: { caches: { repositoryBytes: 100 * SIZE_MIB * MIB, ageMs: 3600_000 } },
      now: Date.now,
    },
  });
  const attached = stack.use(
    await services.attach({ egress: undefined, network: { kind: "closed" }, onDecision: () => undefined }),
  );
  const masker = new Masker();
  using job = attached.openJob({
    runId: "1",
    runNumber: 1,
    runAttempt: 1,
    job: "bench",
    repository: { owner: "o", name: "r", id: "1", ownerId: "2", defaultBranch: "main" },
    event: "push",
    ref: "refs/heads/main",
    sha: "a".repeat(40),
    headRef: "",
    baseRef: "",
    actor: "a",
    actorId: "3",
    workflow: { name: "bench", ref: "", sha: "" },
    jobWorkflow: { ref: "", sha: "" },
    environment: "",
    permissions: {},
    trusted: true,
    token: "t",
    lifetimeMs: 3600_000,
    startScan: () => masker.startScan(),
  });
  for (const secret of [...job.secrets, randomBytes(20).toString("hex")]) masker.add(secret);
  const variables = Object.entries({
    ...job.actionVariables,
    GITHUB_WORKSPACE: workspace,
    GITHUB_SERVER_URL: "https://github.com",
    RUNNER_TEMP: scratch,
  }).map(([name, value]) => `${name}=${value}`);
  const client = (module: string, call: string): [string, ...string[]] => [
    "env",
    ...variables,
    process.execPath,
    "--input-type=module",
    "-e",
    `import * as client from ${JSON.stringify(module)}; process.exitCode = (${call}) ? 0 : 1;`,
  ];

  const artifacts = "new client.DefaultArtifactClient()";
  const newest = `(await ${artifacts}.listArtifacts()).artifacts.at(-1).id`;
  const downloaded = JSON.stringify({ path: join(scratch, "downloaded") });
  const timings = await measure(
    [
      { name: `cp ${SIZE_MIB} MiB`, argv: ["cp", "data/file", join(scratch, "copy")], cwd: workspace },
      { name: "client without a call", argv: client(CACHE, "true"), cwd: workspace },
      {
        name: `cache save ${SIZE_MIB} MiB`,
        argv: client(CACHE, `await client.saveCache(["data"], "k" + Date.now()) > 0`),
        cwd: workspace,
      },
      {
        name: `cache restore ${SIZE_MIB} MiB`,
        argv: client(CACHE, `await client.restoreCache(["data"], "k") !== undefined`),
        cwd: workspace,
      },
      {
        name: `artifact upload ${SIZE_MIB} MiB`,
        argv: client(
          ARTIFACT,
          `await ${artifacts}.uploadArtifact("a" + Date.now(), ["data/file"], ".", { compressionLevel: 0 })`,
        ),
        cwd: workspace,
      },
      {
        name: `artifact download ${SIZE_MIB} MiB`,
        argv: client(ARTIFACT, `await ${artifacts}.downloadArtifact(${newest}, ${downloaded})`),
        cwd: workspace,
      },
    ],
    ROUNDS,
  );
  printTimings("Services", timings);
  for (const timing of timings.filter(({ name }) => name.includes("MiB"))) printRate(timing);
}

function printRate({ name, medianMs }: Timing): void {
  process.stdout.write(`  ${name.padEnd(42)} ${(SIZE_MIB / (medianMs / 1000)).toFixed(0).padStart(7)} MiB/s\n`);
}
