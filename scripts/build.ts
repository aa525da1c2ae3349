/**
 * Builds the release into dist/: `main.js` with lazily loaded chunks for the commands, `rehearse-child.js`, which the server starts to read
 * strangers' files, `checkpoint-thread.js`, the thread in which checkpoints are encrypted, and `guest/agent.js`, the guest agent in a
 * directory of its own, because a machine is shown that directory. Built-ins and rules of translation are found beside them. Another
 * directory than dist/ may be named. `yaml` is bundled from its browser build, which starts faster. Libraries of the server use all of zod: a
 * copy is bundled for the rest, or every command would load all of it.
 */
import { chmod, cp, mkdtempDisposable, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { bundleBuiltins } from "./bundle-builtins.ts";
import { bundleAgent } from "./bundle-agent.ts";

const root = join(import.meta.dirname, "..");

const out = resolve(process.argv[2] ?? join(root, "dist"));

await rm(out, { recursive: true, force: true });
await using scratch = await mkdtempDisposable(join(tmpdir(), "hearth-build-"));
const ownZod = join(scratch.path, "zod");
await cp(join(root, "node_modules", "zod"), ownZod, { recursive: true });
await build({
  entryPoints: {
    main: "src/main.ts",
    "rehearse-child": "src/server/rehearse-child.ts",
    "checkpoint-thread": "src/checkpoint/checkpoint-thread.ts",
  },
  absWorkingDir: root,
  outdir: out,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node24",
  splitting: true,
  minify: true,
  keepNames: true,
  legalComments: "none",
  // Of the server's libraries some are CommonJS, and ask for Node's own modules when they are loaded.
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  logLevel: "warning",
  alias: {
    yaml: join(root, "node_modules", "yaml", "browser", "index.js"),
    "zod/mini": join(ownZod, "mini", "index.js"),
  },
  external: ["esbuild"],
});
await bundleAgent(join(out, "guest", "agent.js"));
await bundleBuiltins(join(out, "builtins"));
for (const name of ["rules", "probe"]) {
  await cp(join(root, "src", "translate", name), join(out, name), { recursive: true });
}
await cp(join(root, "src", "survey", "guest-program"), join(out, "guest-program"), { recursive: true });
await chmod(join(out, "main.js"), 0o755);
