import { describe, expect, it } from "vitest";
import { machineInitrd } from "./initrd.ts";

describe("machineInitrd", () => {
  it("carries what is the machine's own as files", () => {
    const archive = machineInitrd({
      agent: Buffer.from("agent()"),
      certificateAuthorities: "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----",
      directories: ["/home/runner/work", "/home/runner/work/$(reboot)"],
    }).toString("latin1");
    expect(archive).toContain("machine/agent.mjs\0");
    expect(archive).toContain("/home/runner/work\n/home/runner/work/$(reboot)\n");
    // On lines of their own wherever the guest's own bundle ends.
    expect(archive).toContain("\n-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n");
  });

  it("has no file of authorities when there are none", () => {
    const archive = machineInitrd({ agent: Buffer.from(""), certificateAuthorities: undefined, directories: [] });
    expect(archive.toString("latin1")).not.toContain("authorities.pem");
  });
});
