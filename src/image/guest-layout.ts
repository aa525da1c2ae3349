/** Where things are in a guest that starts from an image: as on GitHub's machines, the same for every provider. */
import type { Layout } from "../provider/provider.ts";

export const GUEST_LAYOUT: Layout = {
  work: "/home/runner/work",
  temp: "/home/runner/work/_temp",
  actions: "/home/runner/work/_actions",
  home: "/home/runner",
  toolCache: "/opt/hostedtoolcache",
  externals: "/opt/externals",
  servicesUrl: "http://10.77.0.1:9009",
  proxyUrl: "http://127.0.0.1:3128",
};
