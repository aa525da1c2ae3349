import { describe, expect, it } from "vitest";
import { machineEnvironment } from "./machine-environment.ts";

const layout = {
  workspace: "/w",
  work: "/",
  temp: "/t",
  toolCache: "/c",
  home: "/h",
  actions: "/a",
  externals: "/e",
  servicesUrl: "http://10.77.0.1:9009",
  proxyUrl: "http://127.0.0.1:3128",
};
const settings = { certificateAuthorities: false, npmRegistry: undefined };

describe("the way to the services", () => {
  it("never leads through the machine's proxy", () => {
    const environment = machineEnvironment({}, layout, settings);
    expect(environment["NO_PROXY"]?.split(",")).toContain("10.77.0.1");
    expect(environment["no_proxy"]).toBe(environment["NO_PROXY"]);
  });

  it("never leads through the host's proxy, whose exceptions stay", () => {
    const onHost = { ...layout, servicesUrl: undefined, proxyUrl: undefined };
    const base = { HTTPS_PROXY: "http://proxy:3128", no_proxy: "internal.example" };
    const environment = machineEnvironment(base, onHost, settings);
    expect(environment).toEqual({
      ...base,
      NO_PROXY: "internal.example,127.0.0.1",
      no_proxy: "internal.example,127.0.0.1",
    });
  });

  it("changes nothing on a host without a proxy", () => {
    const onHost = { ...layout, servicesUrl: undefined, proxyUrl: undefined };
    expect(machineEnvironment({ PATH: "/bin" }, onHost, settings)).toEqual({ PATH: "/bin" });
  });
});
