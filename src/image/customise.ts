/**
 * What every image has beyond its packages, as one shell script run by mmdebstrap on the finished tree: the user `runner`
 * (uid 1001, sudo without a password, as on GitHub's machines), the places where actions look for tools, Node on PATH, and
 * git told to fetch from the services address instead of github.com. Pure: the script is text made from the definition.
 */
import type { ImageDefinition } from "./definition.ts";

/** Where a guest finds the services (DESIGN §4, Checkout); the guest agent gives itself this address. */
const SERVICES_URL = "http://10.77.0.1:9009/";
const TOOL_CACHE = "/opt/hostedtoolcache";
const NODE = "/opt/externals/node24/bin/node";
const NODE_MODULES = "/opt/externals/node24/lib/node_modules";

/**
 * `$1` is the tree. /opt/externals, /opt/hearth and /run/hearth are where providers mount things: were they missing, runsc would
 * make them in the tree itself. Ends non-zero at the first command that fails.
 */
export function customiseScript(definition: ImageDefinition): string {
  return `set -eu
root="$1"
chroot "$root" useradd --create-home --uid 1001 --shell /bin/bash runner
mkdir -p "$root/home/runner/work/_temp" "$root/home/runner/work/_actions" "$root/home/runner/.local/bin" "$root${TOOL_CACHE}" \\
  "$root/opt/externals" "$root/opt/hearth" "$root/run/hearth" \\
  "$root/usr/local/lib/node_modules" "$root/usr/share/man/man1"
${writeFiles(files(definition))}
chmod 0440 "$root/etc/sudoers.d/runner"
chmod 0755 "$root/usr/local/bin/npm" "$root/usr/local/bin/npx" "$root/usr/local/bin/corepack"
ln -sf ${NODE} "$root/usr/local/bin/node"
chroot "$root" chown -R runner:runner /home/runner ${TOOL_CACHE} /usr/local/bin /usr/local/lib/node_modules
${definition.run.map((line) => `chroot "$root" /bin/bash -e -c ${quote(line)}`).join("\n")}
rm -f "$root/etc/apt/apt.conf.d/99mmdebstrap" "$root/etc/resolv.conf"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/log/*.log
: > "$root/etc/resolv.conf"
: > "$root/etc/machine-id"
`;
}

function files(definition: ImageDefinition): Readonly<Record<string, string>> {
  const environment = {
    PATH: "/home/runner/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LANG: "C.UTF-8",
    RUNNER_TOOL_CACHE: TOOL_CACHE,
    AGENT_TOOLSDIRECTORY: TOOL_CACHE,
    ...definition.environment,
  };
  return {
    "/etc/hostname": `${definition.hostname}\n`,
    "/etc/hosts": `127.0.0.1 localhost ${definition.hostname}\n::1 localhost ip6-localhost\n`,
    "/etc/environment": Object.entries(environment)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(""),
    // Tools run by sudo reach the outside as the step itself does.
    "/etc/sudoers.d/runner": `runner ALL=(ALL) NOPASSWD:ALL
Defaults:runner env_keep += "HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy"
Defaults:runner env_keep += "NODE_EXTRA_CA_CERTS SSL_CERT_FILE DEBIAN_FRONTEND"
`,
    "/etc/gitconfig": `[url "${SERVICES_URL}"]
\tinsteadOf = https://github.com/
[safe]
\tdirectory = *
[init]
\tdefaultBranch = main
`,
    "/etc/apt/apt.conf.d/90hearth": `APT::Install-Recommends "false";\nAcquire::Languages "none";\n`,
    "/usr/local/bin/npm": wrapper(`${NODE_MODULES}/npm/bin/npm-cli.js`),
    "/usr/local/bin/npx": wrapper(`${NODE_MODULES}/npm/bin/npx-cli.js`),
    "/usr/local/bin/corepack": wrapper(`${NODE_MODULES}/corepack/dist/corepack.js`),
  };
}

function wrapper(script: string): string {
  return `#!/bin/sh\nexec ${NODE} ${script} "$@"\n`;
}

function writeFiles(contents: Readonly<Record<string, string>>): string {
  return Object.entries(contents)
    .map(([path, content]) => `printf %s ${quote(content)} > "$root${path}"`)
    .join("\n");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
