import { describe, expect, it } from "vitest";
import { channelMount, ociConfig, readOnlyMount } from "./bundle.ts";

const bundle = {
  rootfs: "/data/images/x/rootfs",
  hostname: "guest",
  tmpfsMib: 512,
  argv: ["/bin/agent", "a b"],
  env: { PATH: "/bin", A: "1=2" },
  mounts: [readOnlyMount("/data/images/x/externals", "/opt/externals"), channelMount("/run/m1/channel", "/run/hearth")],
};

describe("ociConfig", () => {
  it("shows the guest the image, what is mounted, and nothing else of the host", () => {
    const config = ociConfig(bundle);
    const binds = config.mounts.filter(({ type }) => type === "bind");
    expect(config.root.path).toBe(bundle.rootfs);
    expect(binds).toEqual(bundle.mounts);
    expect(binds.filter(({ options }) => !options?.includes("ro")).map(({ source }) => source)).toEqual([
      "/run/m1/channel",
    ]);
  });

  it("gives the guest namespaces of its own, network included", () => {
    expect(ociConfig(bundle)).toMatchObject({
      linux: {
        namespaces: [{ type: "pid" }, { type: "network" }, { type: "ipc" }, { type: "uts" }, { type: "mount" }],
      },
    });
  });

  it("passes arguments and variables as they are, and no others", () => {
    expect(ociConfig(bundle)).toMatchObject({
      process: { args: ["/bin/agent", "a b"], env: ["PATH=/bin", "A=1=2"], terminal: false },
    });
  });
});
