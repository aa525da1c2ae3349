/** GitHub's own packages, unmodified, against our services on the host provider. */
import { execFileSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { clientsPassed, runClients, writeClientProject } from "../clients/workflow.ts";
import { sandbox } from "../run-hearth.ts";

it("caches, artifacts, identity and the rest work as on GitHub", { timeout: 300_000 }, async () => {
  await using place = await sandbox();
  const project = join(place.directory, "project");
  await mkdir(project);
  execFileSync("git", ["init", "-q", "-b", "main", project]);
  await writeClientProject(project, { cacheBytes: [1, 1 << 20, 200 << 20], artifactMegabytes: 200 });
  expect(await runClients(place, project, ["host"])).toEqual(clientsPassed);
});
