/** Conformance cases as tests in machines of a provider: what is right on the host must be as right there. */
import { expect, it } from "vitest";
import type { Provider } from "../../src/provider/provider.ts";
import { casesFor } from "../conformance/case.ts";
import { differences, runCase } from "../conformance/run-case.ts";

/** `provider` is asked for when the tests run. */
export function proveCases(machine: "gvisor" | "qemu", atLeast: number, provider: () => Provider): void {
  const cases = casesFor(machine);

  it(`is proven by at least ${atLeast} cases`, () => expect(cases.length).toBeGreaterThanOrEqual(atLeast));

  it.each(cases.map((given) => [`${given.section}: ${given.name}`, given] as const))("%s", async (_title, given) => {
    expect(differences(given.expect, await runCase(given, provider()))).toEqual([]);
  });
}
