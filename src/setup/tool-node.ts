/**
 * Node: the release from nodejs.org where that can be reached, else what npm's registry has of it: the program from the packages
 * `node-linux-…`, which hold the same files without npm, and the newest npm that says it runs on that version.
 */
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { array, looseObject, object, optional, record, string } from "zod/mini";
import { EngineError } from "../lib/engine-error.ts";
import { downloadOrFail, SHORT_TIMEOUT_MS } from "./tool-download.ts";
import type { Network } from "./tool-download.ts";
import type { ToolArch, ToolOffer, ToolSource } from "./tool-source.ts";
import { compareVersions, isWithin, parseVersion } from "./tool-version.ts";
import { unpackTarGz } from "./unpack-tool.ts";

export const nodeTool: ToolSource = {
  directory: "node",
  check: ["bin/node", "--version"],
  offers: async (network, arch) => (await releases(network, arch)) ?? (await packages(network, arch)),
};

const Index = array(looseObject({ version: string(), files: array(string()) }));

async function releases(network: Network, arch: ToolArch): Promise<readonly ToolOffer[] | undefined> {
  const index = await downloadOrFail(`${network.nodeReleases}/index.json`, network, {
    timeoutMs: SHORT_TIMEOUT_MS,
  }).catch(() => undefined);
  network.signal.throwIfAborted();
  if (index === undefined) return undefined;
  return Index.parse(JSON.parse(index.toString("utf8")))
    .filter(({ version, files }) => files.includes(`linux-${arch}`) && parseVersion(version) !== undefined)
    .map(({ version }) => ({
      version: version.slice(1),
      from: "nodejs.org",
      install: async (directory) => {
        const name = `node-${version}-linux-${arch}.tar.gz`;
        const sums = (await downloadOrFail(`${network.nodeReleases}/${version}/SHASUMS256.txt`, network)).toString(
          "utf8",
        );
        const sum = sums
          .split("\n")
          .find((line) => line.endsWith(`  ${name}`))
          ?.split(" ", 1)[0];
        if (sum === undefined) throw new EngineError("SETUP_FAILED", `nodejs.org has no hash of ${name}`);
        const archive = await downloadOrFail(`${network.nodeReleases}/${version}/${name}`, network, {
          integrity: `sha256:${sum}`,
        });
        await unpackTarGz(archive, directory);
      },
    }));
}

const Packument = object({
  versions: record(
    string(),
    looseObject({
      dist: looseObject({ tarball: string(), integrity: string() }),
      engines: optional(looseObject({ node: optional(string()) })),
    }),
  ),
});

async function packument(name: string, network: Network) {
  const url = `${network.npmRegistry}${name}`;
  const text = await downloadOrFail(url, network, { accept: "application/vnd.npm.install-v1+json" });
  return Packument.parse(JSON.parse(text.toString("utf8"))).versions;
}

async function packages(network: Network, arch: ToolArch): Promise<readonly ToolOffer[]> {
  const versions = await packument(`node-linux-${arch}`, network);
  return Object.entries(versions)
    .filter(([version]) => parseVersion(version) !== undefined)
    .map(([version, { dist }]) => ({
      version,
      from: `npm's registry (node-linux-${arch})`,
      install: async (directory) => {
        await unpackTarGz(await downloadOrFail(dist.tarball, network, dist), directory);
        await installNpm(version, directory, network);
      },
    }));
}

async function installNpm(node: string, directory: string, network: Network): Promise<void> {
  const versions = await packument("npm", network);
  const fitting = Object.keys(versions).filter(
    (version) => parseVersion(version) !== undefined && isWithin(node, versions[version]?.engines?.node ?? "*"),
  );
  const npm = versions[fitting.toSorted(compareVersions).at(-1) ?? ""];
  if (npm === undefined) throw new EngineError("SETUP_FAILED", `The registry has no npm that runs on Node ${node}`);
  const place = join(directory, "lib/node_modules/npm");
  await mkdir(place, { recursive: true });
  await unpackTarGz(await downloadOrFail(npm.dist.tarball, network, npm.dist), place);
  for (const name of ["npm", "npx"]) {
    await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(directory, "bin", name));
  }
}
