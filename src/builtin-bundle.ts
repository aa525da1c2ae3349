/** Where the built-ins' programs are: beside the release, or bundled from the sources when Hearth runs from those. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import type { ActionSource } from "./action/action-source.ts";
import { isBuiltinAction } from "./action/builtin-action.ts";

/** `source`, and beside what it has the built-ins. */
export function withBuiltins(source: ActionSource, dataDir: string): ActionSource {
  let directory: Promise<string> | undefined;
  return {
    ...source,
    async open(action) {
      if (!isBuiltinAction(action)) return source.open(action);
      const { packTar } = await import("modern-tar/fs");
      return Readable.from(packTar(await (directory ??= builtinBundle(dataDir))));
    },
  };
}

async function builtinBundle(dataDir: string): Promise<string> {
  const released = join(import.meta.dirname, "builtins");
  if (existsSync(released)) return released;
  const bundled = join(dataDir, "builtins");
  await mkdir(dataDir, { recursive: true });
  // Not a literal, so that the release does not carry the bundler.
  const script = pathToFileURL(join(import.meta.dirname, "..", "scripts", "bundle-builtins.ts")).href;
  const { bundleBuiltins }: typeof import("../scripts/bundle-builtins.ts") = await import(script);
  await bundleBuiltins(bundled);
  return bundled;
}
