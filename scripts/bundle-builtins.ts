/**
 * The built-ins' programs and manifests as a directory that is an action repository: `cache/action.yml`, `cache/main.js`, and what
 * they share in files beside. Used by the build, and by Hearth itself when it runs from its sources.
 */
import { randomUUID } from "node:crypto";
import { copyFile, glob, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..");
const sources = join(root, "src", "builtin");

/** Replaces the directory; machines that are being given the old one keep reading it. */
export async function bundleBuiltins(directory: string): Promise<void> {
  const unfinished = `${directory}.${randomUUID()}`;
  try {
    const entryPoints: string[] = [];
    for await (const program of glob("**/{main,post}.ts", { cwd: sources })) entryPoints.push(program);
    await build({
      entryPoints,
      absWorkingDir: sources,
      outdir: unfinished,
      outbase: sources,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node24",
      splitting: true,
      minify: true,
      keepNames: true,
      // Some dependencies still ask for their parts with require.
      banner: {
        js: 'import { createRequire as hearthRequire } from "node:module"; const require = hearthRequire(import.meta.url);',
      },
      legalComments: "none",
      logLevel: "warning",
    });
    await writeFile(join(unfinished, "package.json"), '{ "type": "module" }\n');
    for await (const manifest of glob("**/action.yml", { cwd: sources })) {
      await mkdir(dirname(join(unfinished, manifest)), { recursive: true });
      await copyFile(join(sources, manifest), join(unfinished, manifest));
    }
    await rm(directory, { recursive: true, force: true });
    await rename(unfinished, directory);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}
