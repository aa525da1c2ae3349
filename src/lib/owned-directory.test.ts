import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { claimDirectory, sweepAbandoned } from "./owned-directory.ts";

let parent: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "hearth-test-"));
});
afterAll(() => rm(parent, { recursive: true, force: true }));

it("removes what a process left that has gone, and nothing else", async () => {
  for (const name of ["m-mine", "m-gone", "m-unclaimed", "m-garbled", "other-gone"]) await mkdir(join(parent, name));
  claimDirectory(join(parent, "m-mine"));
  const claim = `import { claimDirectory } from ${JSON.stringify(join(import.meta.dirname, "owned-directory.ts"))};
    claimDirectory(process.argv[1]); claimDirectory(process.argv[2]);`;
  const gone = [join(parent, "m-gone"), join(parent, "other-gone")];
  expect(spawnSync(process.execPath, ["--input-type=module", "--eval", claim, ...gone]).status).toBe(0);
  await writeFile(join(parent, "m-garbled", ".hearth-owner"), "{");

  await sweepAbandoned(parent, "m-");
  expect((await readdir(parent)).toSorted()).toEqual(["m-garbled", "m-mine", "m-unclaimed", "other-gone"]);
});

it("has nothing to do where nothing was ever made", async () => {
  await expect(sweepAbandoned(join(parent, "missing"))).resolves.toBeUndefined();
});
