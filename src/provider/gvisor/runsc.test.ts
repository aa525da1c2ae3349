import { describe, expect, it } from "vitest";
import { fakePrograms } from "../../lib/fake-programs.fixture.ts";
import { findRunsc, runArgv } from "./runsc.ts";

const directories = { bundle: "/run/m1/bundle", state: "/run/m1/state", overlay: "/run/m1/overlay", diskMib: 100 };

describe("runArgv", () => {
  it("gives an ordinary user a user namespace, and root none", () => {
    const binary = "/usr/bin/runsc";
    expect(runArgv({ binary, uid: 1000 }, directories)).toContain("--map-auto");
    expect(runArgv({ binary, uid: 0 }, directories)).not.toContain("--map-auto");
  });

  it("keeps each sandbox's state apart and cuts the network off", () => {
    const argv = runArgv({ binary: "/usr/bin/runsc", uid: 0 }, directories);
    expect(argv).toEqual(expect.arrayContaining(["--root=/run/m1/state", "--network=none", "--bundle=/run/m1/bundle"]));
    expect(argv).toEqual(expect.arrayContaining(["--pid", "--mount", "--kill-child", "--pdeathsig=KILL"]));
    expect(argv.filter((argument) => argument.startsWith("--host-uds"))).toEqual(["--host-uds=open"]);
  });
});

describe("findRunsc", () => {
  it("looks in the data directory, then along the path, and knows when there is none", async () => {
    await using programs = await fakePrograms({ runsc: "exit 0" });
    const { directory } = programs;
    expect(await findRunsc("/no/such", `/nowhere::${directory}`)).toBe(`${directory}/runsc`);
    expect(await findRunsc("/no/such", "/nowhere")).toBeUndefined();
    expect(await findRunsc("/no/such", "")).toBeUndefined();
  });
});
