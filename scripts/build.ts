/**
 * Builds the release into dist/: `main.js` with one lazily loaded chunk for each command, and `agent.js`, the guest agent as one file.
 * `yaml` is bundled from its browser build, which needs no CommonJS wrapper and starts faster.
 */
import { chmod, rm } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..");
const shared = {
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node24",
  logLevel: "warning",
  legalComments: "none",
  absWorkingDir: root,
} as const;

await rm(join(root, "dist"), { recursive: true, force: true });
await build({
  ...shared,
  entryPoints: { main: "src/main.ts" },
  outdir: "dist",
  splitting: true,
  minify: true,
  keepNames: true,
  alias: { yaml: "yaml/browser" },
  banner: { js: "#!/usr/bin/env node" },
});
await build({ ...shared, entryPoints: { agent: "src/guest/main.ts" }, outdir: "dist", minifySyntax: true });
await chmod(join(root, "dist", "main.js"), 0o755);
