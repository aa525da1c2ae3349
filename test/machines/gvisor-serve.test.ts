/** `hearth serve` with real machines: what it says in its log of how they are made. */
import { execFile } from "node:child_process";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { sandbox } from "../run-hearth.ts";
import { SECRET, createRepositories, deliver, startServer, until } from "../running-server.ts";
import { dataDir } from "./gvisor-fixture.ts";

const WORKFLOW = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n";

it("logs that a template is made, once", async () => {
  await using box = await sandbox();
  const [work, data] = [join(box.directory, "work"), join(box.directory, "data")];
  await mkdir(work);
  await mkdir(data);
  await symlink(join(dataDir, "bin"), join(data, "bin"));
  await promisify(execFile)("cp", ["--archive", "--link", join(dataDir, "images"), join(data, "images")]);
  const bare = join(box.directory, "served", "octocat", "shop.git");
  const sha = createRepositories(work, bare, { ".github/workflows/ci.yml": WORKFLOW });
  const env = {
    PORT: "0",
    GITHUB_WEBHOOK_SECRET: SECRET,
    REPOSITORY_PATH: join(box.directory, "served"),
    HEARTH_DATA: data,
    HEARTH_MACHINE_MEMORY_MIB: "1024",
    HEARTH_MACHINE_CPUS: "1",
    HEARTH_WARM_MACHINES: "0",
  };
  const server = await startServer(box, env, ["--provider", "gvisor"]);
  let log = "";
  server.process.stderr.on("data", (chunk: Buffer) => (log += String(chunk)));
  const repository = { name: "shop", full_name: "octocat/shop", owner: { login: "octocat" }, default_branch: "main" };
  try {
    const push = { ref: "refs/heads/main", before: "0".repeat(40), after: sha, repository, commits: [] };
    expect(await deliver(server, "push", push)).toBe(202);
    const untilCompleted = (times: number) =>
      until(() => (log.split('"run completed"').length > times ? true : undefined));
    await untilCompleted(1);
    expect(await box.run(["rerun", "1"], { env })).toMatchObject({ exitCode: 0 });
    await untilCompleted(2);
  } finally {
    server.process.kill("SIGINT");
    await server.process.ended;
  }
  const lines = log.split("\n").filter((line) => line.includes('"machine progress"'));
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { level: "info", what: "machine: making a template, once" },
  ]);
});
