/** Where things are in a guest that starts from an image: as on GitHub's machines, the same for every provider. */
import type { Layout, MachineSpec } from "../provider/provider.ts";

export function guestLayout({ name }: MachineSpec["repository"]): Layout {
  const work = "/home/runner/work";
  return {
    work,
    workspace: `${work}/${name}/${name}`,
    temp: `${work}/_temp`,
    actions: `${work}/_actions`,
    home: "/home/runner",
    toolCache: "/opt/hostedtoolcache",
    externals: "/opt/externals",
    servicesUrl: "http://10.77.0.1:9009",
    proxyUrl: "http://127.0.0.1:3128",
  };
}
