/** A Hearth that is killed while steps run on the host itself: they have no machine that would end with it. */
import { execFileSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { expect, it } from "vitest";
import { leftovers } from "../leftovers.ts";
import { sandbox } from "../run-hearth.ts";

const WORKFLOW = `
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: |
          setsid sleep 600 &
          echo "far-$!"
          echo waiting
          sleep 600
`;

it("leaves steps and their own background processes to the reaper, which ends them and what they wrote", async () => {
  await using place = await sandbox();
  const workflows = join(place.directory, "project", ".github", "workflows");
  await mkdir(workflows, { recursive: true });
  await writeFile(join(workflows, "a.yml"), WORKFLOW);
  const env = { HEARTH_DATA: join(place.directory, "data") };
  const running = place.start(["run", "--provider", "host", "--json"], { cwd: join(place.directory, "project"), env });
  let far = "";
  for await (const line of createInterface({ input: running.stdout })) {
    far = /"line":"far-(\d+)"/.exec(line)?.[1] ?? far;
    if (line.includes('"line":"waiting"')) break;
  }
  running.kill("SIGKILL");
  await running.ended;
  expect((await readFile(`/proc/${far}/cmdline`, "utf8")).split("\0")).toEqual(["sleep", "600", ""]);
  // Not of this install: it stays, though it runs the same program.
  const foreign = execFileSync("sh", ["-c", "setsid sleep 600 > /dev/null 2>&1 & echo $!"], {
    encoding: "utf8",
  }).trim();
  try {
    const reaped = await place.run(["machines", "reap", "--json"], { env });
    expect(reaped.exitCode).toBe(0);
    expect(reaped.stdout).toContain(`ended process ${far}`);
    expect(await readFile(`/proc/${foreign}/cmdline`, "utf8")).toContain("sleep");
  } finally {
    process.kill(Number(foreign), "SIGKILL");
  }
  expect(await leftovers(place)).toEqual([]);
  expect(JSON.parse((await place.run(["machines", "list", "--json"], { env })).stdout)).toEqual([]);
});
