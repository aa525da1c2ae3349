import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fakePrograms } from "../lib/fake-programs.fixture.ts";
import { setupGvisor } from "./gvisor.ts";

let dataDir = "";
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "hearth-test-setup-"));
});
afterEach(async () => rm(dataDir, { recursive: true }));

const setup = async (binary: string) =>
  setupGvisor({ dataDir, binary, progress: () => undefined, signal: new AbortController().signal });
/** Package uidmap is taken to be there, whoever runs this test. */
const UIDMAP = 'echo "uidmap installed"';

describe("setupGvisor", () => {
  it("names the binary that cannot be read", async () => {
    await using _ = await fakePrograms({ "dpkg-query": UIDMAP });
    await expect(setup("/no/such/runsc")).rejects.toMatchObject({
      code: "SETUP_FAILED",
      message: "Cannot read /no/such/runsc",
    });
  });

  it("installs nothing that cannot run a sandbox, and leaves nothing of the attempt", async () => {
    await using programs = await fakePrograms({ "dpkg-query": UIDMAP, runsc: "echo too old >&2; exit 1" });
    await expect(setup(join(programs.directory, "runsc"))).rejects.toMatchObject({
      code: "SETUP_FAILED",
      message: expect.stringContaining("Cannot run a sandbox with"),
      hint: expect.stringContaining("--binary"),
    });
    expect(await readdir(dataDir)).toEqual(["bin"]);
    expect(await readdir(join(dataDir, "bin"))).toEqual([".lock"]);
  });
});
