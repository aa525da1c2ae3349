/**
 * Python: the standalone builds of github.com/astral-sh/python-build-standalone where GitHub can be reached, else the same builds
 * as a Go module carries them (github.com/kluctl/go-embed-python), without tests, idlelib and `ensurepip`, and with pip from the Python
 * package index. They run from any directory.
 */
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { array, boolean, looseObject, null as zNull, number, object, optional, string, union } from "zod/mini";
import { EngineError } from "../lib/engine-error.ts";
import { moduleArchive, moduleVersions } from "./go-module.ts";
import { downloadOrFail, SHORT_TIMEOUT_MS } from "./tool-download.ts";
import type { Network } from "./tool-download.ts";
import type { ToolArch, ToolOffer, ToolSource } from "./tool-source.ts";
import { compareVersions, isWithin, parseVersion } from "./tool-version.ts";
import { readZip, unpackTarGz, unpackZip, writeWithin } from "./unpack-tool.ts";

export const pythonTool: ToolSource = {
  directory: "Python",
  check: ["bin/python3", "-c", "import ssl, sqlite3, venv, platform; print(platform.python_version())"],
  offers: async (network, arch) => (await releases(network, arch)) ?? (await modules(network, arch)),
};

async function releases(network: Network, arch: ToolArch): Promise<readonly ToolOffer[] | undefined> {
  const sums = await downloadOrFail(`${network.pythonReleases}/SHA256SUMS`, network, {
    timeoutMs: SHORT_TIMEOUT_MS,
  }).catch(() => undefined);
  network.signal.throwIfAborted();
  if (sums === undefined) return undefined;
  const target = `${arch === "x64" ? "x86_64" : "aarch64"}-unknown-linux-gnu-install_only_stripped.tar.gz`;
  return sums
    .toString("utf8")
    .split("\n")
    .flatMap((line) => {
      const { sum, name, version } =
        /^(?<sum>[0-9a-f]{64}) +(?<name>cpython-(?<version>\d+\.\d+\.\d+)\+\d+-.+)$/u.exec(line)?.groups ?? {};
      if (version === undefined || name?.endsWith(`-${target}`) !== true) return [];
      const integrity = `sha256:${sum}`;
      return [
        {
          version,
          from: "python-build-standalone",
          install: async (directory: string) => {
            await unpackTarGz(
              await downloadOrFail(`${network.pythonReleases}/${encodeURIComponent(name)}`, network, { integrity }),
              directory,
            );
          },
        },
      ];
    });
}

const MODULE = "github.com/kluctl/go-embed-python";

/** The version says which Python, the build's date and a number: `v0.0.0-3.11.11-20241219-1`. */
async function modules(network: Network, arch: ToolArch): Promise<readonly ToolOffer[]> {
  const versions = (await moduleVersions(MODULE, network)).toSorted();
  const latest = new Map(
    versions.flatMap((version) => {
      const python = /^v0\.0\.0-(?<python>\d+\.\d+\.\d+)-\d+-\d+$/u.exec(version)?.groups?.["python"];
      return python === undefined ? [] : [[python, version]];
    }),
  );
  return [...latest].map(([version, module]) => ({
    version,
    from: `Go's module proxy (${MODULE})`,
    install: async (directory) => {
      await unpackModule(await moduleArchive(MODULE, module, network), module, arch, directory);
      await installPip(version, directory, network);
    },
  }));
}

const FileList = object({
  files: array(
    object({
      name: string(),
      perm: number(),
      compressed: optional(boolean()),
      symlink: optional(string()),
      size: number(),
    }),
  ),
});
/** Go's `fs.ModeDir`. */
const MODE_DIRECTORY = 0x8000_0000;

async function unpackModule(zip: Buffer, version: string, arch: ToolArch, directory: string): Promise<void> {
  const root = `${MODULE}@${version}/python/internal/data/linux-${arch === "x64" ? "amd64" : "arm64"}/`;
  const contents = new Map((await readZip(zip)).map(({ name, content }) => [name, content]));
  const list = contents.get(`${root}files.json`);
  if (list === undefined) throw new EngineError("SETUP_FAILED", `${MODULE}@${version} has no Python for ${arch}`);
  for (const file of FileList.parse(JSON.parse((await list()).toString("utf8"))).files) {
    const path = join(directory, file.name);
    if (file.perm >= MODE_DIRECTORY || file.name.endsWith("/")) continue;
    if (file.symlink !== undefined) {
      await mkdir(dirname(path), { recursive: true });
      await symlink(file.symlink, path);
      continue;
    }
    const content = contents.get(`${root}${file.name}${file.compressed === true ? ".gz" : ""}`);
    if (content === undefined) throw new EngineError("SETUP_FAILED", `${MODULE}@${version} lacks ${file.name}`);
    const kept = await content();
    const bytes = file.compressed === true ? gunzipSync(kept, { maxOutputLength: MAX_FILE_BYTES }) : kept;
    await writeWithin(directory, file.name, bytes, file.perm & 0o777);
  }
}

const MAX_FILE_BYTES = 512 * 1024 * 1024;

const Simple = object({
  files: array(
    looseObject({
      filename: string(),
      url: string(),
      hashes: looseObject({ sha256: optional(string()) }),
      "requires-python": optional(union([string(), zNull()])),
      yanked: optional(union([boolean(), string()])),
    }),
  ),
});

/** pip as a package, and `ensurepip` around the same wheel, which `python -m venv` asks for. */
async function installPip(python: string, directory: string, network: Network): Promise<void> {
  const index = `${network.pypiIndex}/pip/`;
  const text = await downloadOrFail(index, network, { accept: "application/vnd.pypi.simple.v1+json" });
  const wheels = Simple.parse(JSON.parse(text.toString("utf8"))).files.flatMap((file) => {
    const version = /^pip-(?<version>[\d.]+)-py3-none-any\.whl$/u.exec(file.filename)?.groups?.["version"];
    const range = file["requires-python"] ?? "";
    const fits = range === "" || isWithin(python, range);
    return version === undefined || !fits || (file.yanked ?? false) !== false ? [] : [{ ...file, version }];
  });
  const wheel = wheels.toSorted((a, b) => compareVersions(a.version, b.version)).at(-1);
  const sha256 = wheel?.hashes.sha256;
  if (wheel === undefined || sha256 === undefined) {
    throw new EngineError("SETUP_FAILED", `The Python package index has no pip that runs on Python ${python}`);
  }
  const bytes = await downloadOrFail(new URL(wheel.url, index).href, network, { integrity: `sha256:${sha256}` });
  const library = join(directory, `lib/python${shortOf(python)}`);
  await unpackZip(bytes, join(library, "site-packages"), (path) => ({ path, executable: false }));
  await writeWithin(library, `ensurepip/_bundled/${wheel.filename}`, bytes, 0o644);
  await writeWithin(library, "ensurepip/__init__.py", Buffer.from(ENSUREPIP), 0o644);
  await writeWithin(library, "ensurepip/__main__.py", Buffer.from("import ensurepip\nensurepip._main()\n"), 0o644);
  await writePipPrograms(python, directory);
}

async function writePipPrograms(python: string, directory: string): Promise<void> {
  for (const name of ["pip", "pip3", `pip${shortOf(python)}`]) {
    const path = join(directory, "bin", name);
    await writeFile(path, pipProgram(shortOf(python)));
    await chmod(path, 0o755);
  }
}

function shortOf(python: string): string {
  return parseVersion(python)?.slice(0, 2).join(".") ?? python;
}

/** Finds its Python beside itself, wherever the directory is: read by sh first, and by Python as a text. */
const pipProgram = (short: string): string => `#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")/python${short}" "$0" "$@"
' '''
import sys
from pip._internal.cli.main import main
if __name__ == "__main__":
    sys.exit(main())
`;

const ENSUREPIP = `"""Installs the pip that came with this Python, without a network."""
import os
import runpy
import sys

_BUNDLED = os.path.join(os.path.dirname(__file__), "_bundled")


def version():
    return os.listdir(_BUNDLED)[0].split("-")[1]


def bootstrap(*, root=None, upgrade=False, user=False, altinstall=False, default_pip=False, verbosity=0):
    wheel = os.path.join(_BUNDLED, os.listdir(_BUNDLED)[0])
    args = ["install", "--no-cache-dir", "--no-index", "--find-links", _BUNDLED]
    args += ["--root", root] if root else []
    args += ["--upgrade"] if upgrade else []
    args += ["--user"] if user else []
    args += ["-" + "v" * verbosity] if verbosity else []
    sys.path.insert(0, wheel)
    sys.argv = ["pip", *args, "pip"]
    try:
        runpy.run_module("pip", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        return ended.code or 0
    return 0


def _main(argv=None):
    import argparse

    parser = argparse.ArgumentParser(prog="python -m ensurepip")
    parser.add_argument("--version", action="version", version="pip " + version())
    parser.add_argument("-v", "--verbose", action="count", default=0, dest="verbosity")
    parser.add_argument("-U", "--upgrade", action="store_true")
    parser.add_argument("--user", action="store_true")
    parser.add_argument("--root", default=None)
    parser.add_argument("--altinstall", action="store_true")
    parser.add_argument("--default-pip", action="store_true", dest="default_pip")
    sys.exit(bootstrap(**vars(parser.parse_args(argv))))
`;
