/** The guest agent as one file: what a machine starts. Used by the build, and by Hearth itself when it runs from its sources. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..");

/** Writes only when something changed, and then at once: machines that start meanwhile see the old one or the new. */
export async function bundleAgent(outfile: string): Promise<void> {
  const result = await build({
    entryPoints: ["src/guest/main.ts"],
    absWorkingDir: root,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    logLevel: "warning",
    write: false,
    outfile,
  });
  const [output] = result.outputFiles;
  if (output === undefined) throw new Error("esbuild gave no output");
  const existing = await readFile(outfile).catch(() => undefined);
  if (existing?.equals(output.contents) === true) return;
  await mkdir(dirname(outfile), { recursive: true });
  const temporary = `${outfile}.${process.pid}`;
  await writeFile(temporary, output.contents);
  await rename(temporary, outfile);
}
