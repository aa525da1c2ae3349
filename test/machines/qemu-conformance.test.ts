/** A few of the conformance cases in QEMU; emulated where the host has no KVM. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createQemuProvider } from "../../src/provider/qemu/provider.ts";
import type { Provider } from "../../src/provider/provider.ts";
import { casesFor } from "../conformance/case.ts";
import { differences, runCase } from "../conformance/run-case.ts";
import { qemuFixture } from "./qemu-fixture.ts";
import type { QemuFixture } from "./qemu-fixture.ts";

const cases = casesFor("qemu");
let fixture: QemuFixture;
let provider: Provider;

beforeAll(async () => {
  fixture = await qemuFixture();
  provider = createQemuProvider(fixture.options);
});
afterAll(async () => fixture[Symbol.asyncDispose]());

describe("conformance in QEMU", () => {
  it("is proven by at least 5 cases", () => expect(cases.length).toBeGreaterThanOrEqual(5));

  it.each(cases.map((given) => [`${given.section}: ${given.name}`, given] as const))("%s", async (_title, given) => {
    expect(differences(given.expect, await runCase(given, provider))).toEqual([]);
  });

  it("left nothing behind", async () => {
    expect(await readdir(join(fixture.options.dataDir, "machines"))).toEqual([]);
  });
});
