/** A cross-section of the conformance cases in gVisor: what is right on the host must be as right in a sandbox. */
import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gvisorProvider } from "../../src/provider/gvisor/provider.ts";
import type { Provider } from "../../src/provider/provider.ts";
import { casesFor } from "../conformance/case.ts";
import { differences, runCase } from "../conformance/run-case.ts";
import { gvisorFixture } from "./gvisor-fixture.ts";
import type { GvisorFixture } from "./gvisor-fixture.ts";

const cases = casesFor("gvisor");
let fixture: GvisorFixture;
let provider: Provider;

beforeAll(async () => {
  fixture = await gvisorFixture();
  provider = gvisorProvider(fixture.settings);
});
afterAll(async () => fixture[Symbol.asyncDispose]());

describe.concurrent("conformance in gVisor", () => {
  it("is proven by at least 40 cases", () => expect(cases.length).toBeGreaterThanOrEqual(40));

  it.each(cases.map((given) => [`${given.section}: ${given.name}`, given] as const))("%s", async (_title, given) => {
    expect(differences(given.expect, await runCase(given, provider))).toEqual([]);
  });
});

describe("the machines of these cases", () => {
  it("left nothing behind", async () => expect(await readdir(fixture.settings.runDir)).toEqual([]));
});
