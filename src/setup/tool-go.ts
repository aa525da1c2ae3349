/** Go: the releases that Go's module proxy has as versions of `golang.org/toolchain`, made by the Go project for `go` itself. */
import type { ToolSource } from "./tool-source.ts";
import { moduleArchive, moduleVersions } from "./go-module.ts";
import { parseVersion } from "./tool-version.ts";
import { unpackZip } from "./unpack-tool.ts";

const MODULE = "golang.org/toolchain";

export const goTool: ToolSource = {
  directory: "go",
  check: ["bin/go", "version"],
  async offers(network, arch) {
    const suffix = `.linux-${arch === "x64" ? "amd64" : "arm64"}`;
    const versions = await moduleVersions(MODULE, network);
    return versions.flatMap((version) => {
      const release = /^v0\.0\.1-go(?<release>[\d.]+)\.linux-\w+$/u.exec(version)?.groups?.["release"];
      const numbers = release === undefined ? undefined : parseVersion(release);
      if (numbers === undefined || !version.endsWith(suffix)) return [];
      return [
        {
          version: numbers.join("."),
          from: `Go's module proxy (${MODULE})`,
          install: async (directory: string) => {
            const root = `${MODULE}@${version}/`;
            await unpackZip(await moduleArchive(MODULE, version, network), directory, (name) =>
              name.startsWith(root) ? placed(name.slice(root.length)) : undefined,
            );
          },
        },
      ];
    });
  },
};

/** As `go` itself does with it: modes are not kept, and a module may hold no other module's `go.mod`. */
function placed(path: string): { readonly path: string; readonly executable: boolean } {
  const executable = /^(?:bin|pkg\/tool)\/|\.(?:bash|sh)$/u.test(path);
  return { path: path.replace(/(?<=^|\/)_go\.mod$/u, "go.mod"), executable };
}
