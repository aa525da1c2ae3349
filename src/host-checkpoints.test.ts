import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { aDescription } from "./checkpoint/machine-files.fixture.ts";
import { compose } from "./compose.ts";
import { loadConfig } from "./config.ts";
import { createHostCheckpoints } from "./host-checkpoints.ts";

let stateDir: string;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "hearth-host-checkpoints-"));
});

afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

it("makes no key where there is nothing to look for", async () => {
  const checkpoints = createHostCheckpoints(loadConfig({ state: stateDir }, {}, stateDir));
  expect([await checkpoints.list(), await checkpoints.diskBytes()]).toEqual([[], 0]);
  await checkpoints.removeAll();
  expect(readdirSync(stateDir)).toEqual([]);
});

it("forgets the checkpoints of a run that is removed, and no others", async () => {
  const config = loadConfig({ state: stateDir }, { HEARTH_CHECKPOINTS_MIB: "64" }, stateDir);
  const hearth = compose(config, {});
  const writer = await hearth.store.create({ repository: "/repo", workflow: "ci.yml", event: "push" });
  await writer.close();
  const checkpoints = createHostCheckpoints(config);
  for (const run of [writer.run, "another"]) {
    await using draft = await checkpoints.begin(0);
    writeFileSync(join(draft.directory, "memory"), run);
    await draft.keep(aDescription({ run }), Buffer.from("engine"));
  }
  expect(existsSync(join(stateDir, "secret-key"))).toBe(true);
  await hearth.store.remove(writer.run);
  expect((await hearth.checkpoints.list()).map(({ run }) => run)).toEqual(["another"]);
  await hearth.close();
});
