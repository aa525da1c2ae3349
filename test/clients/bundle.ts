/**
 * Makes real actions of the programs in `actions/`: each a directory with an `action.yml` and one bundled file, as their authors
 * publish them. They are written against GitHub's own packages, unmodified.
 */
import { build } from "esbuild";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

export type ClientAction = "artifacts" | "caches" | "runner";

const INPUTS: { readonly [action in ClientAction]: readonly string[] } = {
  artifacts: ["part", "megabytes", "token"],
  caches: ["key", "bytes"],
  runner: ["pattern", "url"],
};

/** Below `directory`, which `uses: ./<directory>/<name>` then names. */
export async function bundleActions(directory: string): Promise<void> {
  for (const [name, inputs] of Object.entries(INPUTS)) {
    const target = join(directory, name);
    await mkdir(target, { recursive: true });
    await build({
      entryPoints: [join(import.meta.dirname, "actions", `${name}.ts`)],
      outfile: join(target, "index.js"),
      bundle: true,
      platform: "node",
      format: "cjs",
      target: "node24",
      logLevel: "error",
    });
    const lines = inputs.map((input) => `  ${input}:\n    default: ""\n`);
    const yaml = `name: ${name}\ndescription: ""\ninputs:\n${lines.join("")}runs:\n  using: node24\n  main: index.js\n`;
    await writeFile(join(target, "action.yml"), yaml);
    // The project around it says what its own `.js` are.
    await writeFile(join(target, "package.json"), `{"type":"commonjs"}\n`);
  }
}
