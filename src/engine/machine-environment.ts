/** Layer 1 of a step's environment: what the machine gives every process, beside what its image says. Pure. */
import type { Layout } from "../provider/provider.ts";

/** Every name that a package manager or HTTP client is known to look for its certificate authorities under. */
const CERTIFICATE_VARIABLES = [
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "REQUESTS_CA_BUNDLE",
  "PIP_CERT",
  "CURL_CA_BUNDLE",
  "GIT_SSL_CAINFO",
] as const;

const GUEST_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";

export function machineEnvironment(
  base: Readonly<Record<string, string>>,
  layout: Layout,
  settings: { readonly certificateAuthorities: boolean; readonly npmRegistry: string | undefined },
): Record<string, string> {
  const { proxyUrl } = layout;
  const environment: Record<string, string> = { ...base };
  // Without a proxy the processes use the host's own network, and its settings come with the base environment.
  if (proxyUrl === undefined) return aroundProxy(environment);
  for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]) environment[name] = proxyUrl;
  for (const name of ["NO_PROXY", "no_proxy"]) environment[name] = noProxy(layout.servicesUrl);
  if (settings.certificateAuthorities) {
    for (const name of CERTIFICATE_VARIABLES) environment[name] = GUEST_CERTIFICATES;
  }
  if (settings.npmRegistry !== undefined) environment["npm_config_registry"] = settings.npmRegistry;
  return environment;
}

/** The services are on loopback, and some clients would ask the host's proxy for them. */
function aroundProxy(environment: Record<string, string>): Record<string, string> {
  if (!Object.keys(environment).some((name) => /^https?_proxy$/i.test(name))) return environment;
  const [upper, lower] = [environment["NO_PROXY"], environment["no_proxy"]];
  return { ...environment, NO_PROXY: excepted(upper ?? lower), no_proxy: excepted(lower ?? upper) };
}

function excepted(own: string | undefined): string {
  return own === undefined || own === "" ? "127.0.0.1" : `${own},127.0.0.1`;
}

function noProxy(servicesUrl: string | undefined): string {
  const services = servicesUrl === undefined ? [] : [new URL(servicesUrl).hostname];
  return ["localhost", "127.0.0.1", "::1", ...services].join(",");
}
