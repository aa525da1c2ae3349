/** A few of the conformance cases in QEMU; emulated where the host has no KVM. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createQemuProvider } from "../../src/provider/qemu/provider.ts";
import type { Provider } from "../../src/provider/provider.ts";
import { proveCases } from "./prove-cases.ts";
import { qemuFixture } from "./qemu-fixture.ts";
import type { QemuFixture } from "./qemu-fixture.ts";

let fixture: QemuFixture;
let provider: Provider;

beforeAll(async () => {
  fixture = await qemuFixture();
  provider = createQemuProvider(fixture.options);
});
afterAll(async () => fixture[Symbol.asyncDispose]());

describe("conformance in QEMU", () => {
  proveCases("qemu", 5, () => provider);

  it("left nothing behind", async () => {
    expect(await readdir(join(fixture.options.dataDir, "machines"))).toEqual([]);
  });
});
