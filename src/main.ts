#!/usr/bin/env node
/**
 * From argv to a command, and from its end to the exit code: the only `process.exit`. What is imported above is compiled anew
 * at every start; the compile cache serves what is imported after it was switched on, which is everything large.
 */
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { frontPage } from "./commands/front-page.ts";

const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === "--help" || argv[0] === "-h")) process.stdout.write(frontPage);
else if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V"))
  process.stdout.write(`${manifest.version}\n`);
else process.exit(await runCommand());

/** The exit above is needed: what an abandoned connection or timer still holds must not keep a finished command alive. */
async function runCommand(): Promise<number> {
  // A directory of the user's own: in the shared one that is Node's default another user could put code in our way.
  enableCompileCache(join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "hearth", "compile-cache"));
  const [{ runCommandLine }, { createProcessTerminal, flushOutput }] = await Promise.all([
    import("./commands/command-line.ts"),
    import("./commands/process-terminal.ts"),
  ]);
  const code = await runCommandLine(argv, {
    version: manifest.version,
    terminal: createProcessTerminal(process.env),
    async connect(flags) {
      const [{ loadConfig }, { compose }] = await Promise.all([import("./config.ts"), import("./compose.ts")]);
      return compose(loadConfig(flags, process.env, process.cwd()), process.env);
    },
  });
  await flushOutput();
  return code;
}
