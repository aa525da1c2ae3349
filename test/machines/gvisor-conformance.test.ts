/** A cross-section of the conformance cases in gVisor: what is right on the host must be as right in a sandbox. */
import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gvisorProvider } from "../../src/provider/gvisor/provider.ts";
import type { Provider } from "../../src/provider/provider.ts";
import { gvisorFixture } from "./gvisor-fixture.ts";
import type { GvisorFixture } from "./gvisor-fixture.ts";
import { proveCases } from "./prove-cases.ts";

let fixture: GvisorFixture;
let provider: Provider;

beforeAll(async () => {
  fixture = await gvisorFixture();
  provider = gvisorProvider(fixture.settings);
});
afterAll(async () => fixture[Symbol.asyncDispose]());

describe.concurrent("conformance in gVisor", () => {
  proveCases("gvisor", 40, () => provider);
});

describe("the machines of these cases", () => {
  it("left nothing behind", async () => expect(await readdir(fixture.settings.runDir)).toEqual([]));
});
