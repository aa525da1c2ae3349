/** Firecracker's provider as a user meets it: registered and run from the command line, with the fake behind it. */
import { accessSync, constants } from "node:fs";
import { mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectedRecord, parseEvents, recordOf } from "../example-record.ts";
import { leftovers } from "../leftovers.ts";
import { copyExample, sandbox } from "../run-hearth.ts";
import { writeFakePrograms } from "../firecracker-fake/programs.ts";
import type { FirecrackerFixture } from "./firecracker-fixture.ts";
import { firecrackerFixture, firecrackerLeftovers } from "./firecracker-fixture.ts";

let fixture: FirecrackerFixture;
beforeAll(async () => {
  fixture = await firecrackerFixture();
});
afterAll(async () => fixture[Symbol.asyncDispose]());

describe("hearth run --provider firecracker", () => {
  it("runs a workflow in a machine of its own and says what isolated it", async (context) => {
    if (!isOpen("/dev/kvm"))
      context.skip("/dev/kvm is missing or not open to this user: the provider refuses before it asks the fake");
    await using place = await sandbox();
    const data = join(place.directory, "data");
    await mkdir(data);
    for (const name of ["images", "kernels"]) await symlink(join(fixture.options.dataDir, name), join(data, name));
    const isRoot = process.getuid?.() === 0;
    const env = { HEARTH_DATA: data, ...(isRoot ? {} : { HEARTH_FIRECRACKER_JAILER: "off" }) };
    const log = join(data, "requests.jsonl");
    const knobs = { version: "1.16.1", guest: "qemu", answersProbe: true, log } as const;
    const fake = await writeFakePrograms(join(place.directory, "fake"), knobs);

    const setup = await place.run(["setup", "firecracker", "--binary", fake.firecracker, "--jailer", fake.jailer], {
      env,
    });
    expect(setup).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^firecracker {2}1\.16\.1 {2}sha256:[0-9a-f]{64}\njailer/),
    });

    const project = await copyExample("needs", place.directory);
    const end = await place.run(["run", "--provider", "firecracker", "--json"], { cwd: project, env });
    expect(end.stderr).toBe("");
    const events = parseEvents(end.stdout);
    expect(recordOf(events)).toEqual(expectedRecord("needs"));
    const isolation = isRoot ? "microVM (Firecracker)" : "microVM (Firecracker, no jailer)";
    const machines = events.filter((event) => event.type === "machine_ready");
    expect(machines).toMatchObject([{ isolation }]);
    // The probe's machine and the run's.
    expect((await readFile(log, "utf8")).match(/InstanceStart/g)).toHaveLength(2);
    expect(await leftovers(place)).toEqual([]);
    expect(await firecrackerLeftovers(data, machines[0]?.machine ?? "")).toEqual([]);
  });
});

function isOpen(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
