import { describe, expect, it } from "vitest";
import { chooseProvider, requireNoLessIsolation, requireProvider } from "./choose-provider.ts";
import type { Candidate } from "./choose-provider.ts";
import type { Isolation, Provider, ProviderName } from "./provider.ts";

interface Scripted extends Candidate {
  readonly loads: () => number;
}

function candidate(name: ProviderName, isolation: Isolation | undefined): Scripted {
  let loads = 0;
  const provider: Provider = {
    name,
    capabilities: { isolation: "vm", checkpoint: false, containers: false, egress: true },
    probe: () =>
      Promise.resolve(
        isolation === undefined
          ? { ok: false, reason: `${name} is not there`, fix: `install ${name}` }
          : { ok: true, isolation, detail: "" },
      ),
    provision: () => Promise.reject(new Error("not asked for here")),
  };
  return {
    name,
    load: () => {
      loads += 1;
      return Promise.resolve(provider);
    },
    loads: () => loads,
  };
}

describe("chooseProvider", () => {
  it("takes the first that works, says why not the better ones, and does not load the rest", async () => {
    const rest = candidate("qemu", "microVM (QEMU, emulated: not a security boundary)");
    const chosen = await chooseProvider([candidate("qemu", undefined), candidate("gvisor", "sandbox (gVisor)"), rest]);
    expect(chosen).toMatchObject({ isolation: "sandbox (gVisor)", why: "no qemu: qemu is not there" });
    expect(rest.loads()).toBe(0);
  });

  it("names every fix when none works", async () => {
    const none = chooseProvider([candidate("qemu", undefined), candidate("gvisor", undefined)]);
    await expect(none).rejects.toMatchObject({
      code: "PROVIDER_UNAVAILABLE",
      hint: "install qemu; or install gvisor",
    });
  });
});

describe("requireProvider", () => {
  it("takes what was asked for", async () => {
    expect(await requireProvider(candidate("host", "none (host)"))).toMatchObject({ why: "asked for" });
  });

  it("refuses instead of stepping down", async () => {
    await expect(requireProvider(candidate("gvisor", undefined))).rejects.toMatchObject({
      code: "PROVIDER_UNAVAILABLE",
      message: "Cannot use gvisor: gvisor is not there",
      hint: "install gvisor",
    });
  });
});

describe("requireNoLessIsolation", () => {
  const levels: readonly (readonly Isolation[])[] = [
    ["none (host)", "none (fake)"],
    ["microVM (QEMU, emulated: not a security boundary)"],
    ["sandbox (gVisor)"],
    ["microVM (QEMU, KVM)", "microVM (Firecracker)"],
  ];
  const pairs = levels.flatMap((level, rank) =>
    level.flatMap((own) =>
      levels.flatMap((others, other) => others.map((named) => ({ own, named, allowed: other >= rank }))),
    ),
  );

  const allowed = pairs.filter((pair) => pair.allowed);
  const refused = pairs.filter((pair) => !pair.allowed);

  it.each(allowed)("of a run with $own lets a file name $named", async ({ own, named }) => {
    const chosen = await requireProvider(candidate("qemu", named));
    expect(() => requireNoLessIsolation(chosen, own)).not.toThrow();
  });

  it.each(refused)("of a run with $own does not let a file name $named", async ({ own, named }) => {
    const chosen = await requireProvider(candidate("qemu", named));
    const refusal = expect.objectContaining({
      code: "PROVIDER_UNAVAILABLE",
      hint: expect.stringContaining("--provider"),
    });
    expect(() => requireNoLessIsolation(chosen, own)).toThrow(refusal);
  });
});
