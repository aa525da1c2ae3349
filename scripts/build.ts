/**
 * Builds the release into dist/: `main.js` with lazily loaded chunks for the commands, and `guest/agent.js`, the guest agent in a
 * directory of its own, because a machine is shown that directory. `yaml` is bundled from its browser build, which starts faster.
 */
import { chmod, rm } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { bundleBuiltins } from "./bundle-builtins.ts";
import { bundleAgent } from "./bundle-agent.ts";

const root = join(import.meta.dirname, "..");

await rm(join(root, "dist"), { recursive: true, force: true });
await build({
  entryPoints: { main: "src/main.ts" },
  absWorkingDir: root,
  outdir: "dist",
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node24",
  splitting: true,
  minify: true,
  keepNames: true,
  legalComments: "none",
  logLevel: "warning",
  alias: { yaml: join(root, "node_modules", "yaml", "browser", "index.js") },
  external: ["esbuild"],
});
await bundleAgent(join(root, "dist", "guest", "agent.js"));
await bundleBuiltins(join(root, "dist", "builtins"));
await chmod(join(root, "dist", "main.js"), 0o755);
