import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fakePrograms } from "../lib/fake-programs.fixture.ts";
import { ensurePackages, missingPackages } from "./apt.ts";

/** `git` is there, `jq` was removed but not purged, others were never heard of. */
const DPKG_QUERY = 'echo "git installed"; echo "jq config-files"; exit 1';
const SUDO = 'shift 2; exec "$@"';
const RECORD = 'echo "$*" >> "$(dirname "$0")/calls"';
const options = { progress: () => undefined, signal: new AbortController().signal };

describe("missingPackages", () => {
  it("counts what is installed, not what dpkg has heard of", async () => {
    await using _ = await fakePrograms({ "dpkg-query": DPKG_QUERY });
    expect(await missingPackages(["git", "jq", "zstd"])).toEqual(["jq", "zstd"]);
  });
});

describe("ensurePackages", () => {
  it("does nothing, and needs no root, when all is there", async () => {
    const refuse = "exit 99";
    await using _ = await fakePrograms({ "dpkg-query": DPKG_QUERY, "apt-get": refuse, sudo: refuse });
    expect(await ensurePackages(["git"], options)).toEqual([]);
  });

  it("installs what is missing, with the lists that are there", async () => {
    await using programs = await fakePrograms({ "dpkg-query": DPKG_QUERY, sudo: SUDO, "apt-get": RECORD });
    expect(await ensurePackages(["git", "zstd"], options)).toEqual(["zstd"]);
    expect(await readFile(join(programs.directory, "calls"), "utf8")).toBe(
      "--quiet install --yes --no-install-recommends zstd\n",
    );
  });

  it("fetches the package lists only when the first attempt fails", async () => {
    const needsUpdate = `${RECORD}
case "$*" in *update*) touch "$(dirname "$0")/lists";; *) [ -e "$(dirname "$0")/lists" ];; esac`;
    await using programs = await fakePrograms({ "dpkg-query": DPKG_QUERY, sudo: SUDO, "apt-get": needsUpdate });
    expect(await ensurePackages(["zstd"], options)).toEqual(["zstd"]);
    expect((await readFile(join(programs.directory, "calls"), "utf8")).split("\n")).toHaveLength(4);
  });

  it("names the command to run by hand when it cannot", async () => {
    const failing = 'echo "E: Unable to locate package zstd" >&2; exit 100';
    await using _ = await fakePrograms({ "dpkg-query": DPKG_QUERY, sudo: SUDO, "apt-get": failing });
    await expect(ensurePackages(["zstd"], options)).rejects.toMatchObject({
      code: "SETUP_FAILED",
      message: expect.stringContaining("Unable to locate package zstd"),
      hint: "sudo apt-get install --yes --no-install-recommends zstd",
    });
  });
});
