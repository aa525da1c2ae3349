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

it("removes the name of the owner last, so that a removal which was cut short is swept up", async () => {
  const path = join(parent, "cut-short");
  for (let index = 0; index < 300; index += 1) await mkdir(join(path, `d${index}`, "below"), { recursive: true });
  const cut = `import { claimDirectory, removeOwned } from ${JSON.stringify(join(import.meta.dirname, "owned-directory.ts"))};
    import { existsSync } from "node:fs";
    claimDirectory(process.argv[1]);
    void removeOwned(process.argv[1]);
    setInterval(() => existsSync(process.argv[2]) || process.kill(process.pid, "SIGKILL"), 0);`;
  const first = join(path, (await readdir(path))[0] ?? "");
  spawnSync(process.execPath, ["--input-type=module", "--eval", cut, path, first]);
  const left = await readdir(path);
  expect(left).toContain(".hearth-owner");
  expect(left.length).toBeGreaterThan(1);
  await sweepAbandoned(parent, "cut-");
  expect(await readdir(parent)).not.toContain("cut-short");
});

it("has nothing to do where nothing was ever made", async () => {
  await expect(sweepAbandoned(join(parent, "missing"))).resolves.toBeUndefined();
});
