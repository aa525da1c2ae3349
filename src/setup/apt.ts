/**
 * Debian packages that Hearth needs on this host. What is there is left alone, and then nothing needs root or the network.
 */
import { ownUid } from "../image/root-in-namespace.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { CommandResult } from "../lib/run-command.ts";
import { runCommand } from "../lib/run-command.ts";

export interface AptOptions {
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Resolves to the packages it installed. Safe to call again. Throws `EngineError` SETUP_FAILED with the command to run by hand
 * where packages are missing and it cannot install them: no apt, no root and no sudo without a password, no mirror.
 */
export async function ensurePackages(packages: readonly string[], options: AptOptions): Promise<readonly string[]> {
  const missing = await missingPackages(packages);
  if (missing.length === 0) return [];
  const { progress, signal } = options;
  const uid = ownUid();
  const asRoot = uid === 0 ? [] : ["sudo", "--non-interactive", "--"];
  const byHand = `sudo apt-get install --yes --no-install-recommends ${missing.join(" ")}`;
  const apt = async (...args: readonly string[]) => {
    const argv = [...asRoot, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", ...args];
    return runCommand(argv, { signal, onLine: progress });
  };
  const install = async () => apt("install", "--yes", "--no-install-recommends", ...missing);
  progress(`installing packages: ${missing.join(" ")}`);
  try {
    // A host's package lists are often fresh enough, and fetching them takes longer than what they are for.
    let result = await install();
    if (result.code !== 0) {
      await apt("update");
      result = await install();
    }
    if (result.code !== 0) throw failure(missing, byHand, lastLines(result));
  } catch (error) {
    if (!isMissingProgram(error)) throw error;
    throw failure(missing, byHand, uid === 0 ? "apt-get was not found" : "neither root nor sudo");
  }
  return missing;
}

/** Those of `packages` that are not installed. All of them where there is no dpkg. */
export async function missingPackages(packages: readonly string[]): Promise<readonly string[]> {
  try {
    const { stdout } = await runCommand([
      "dpkg-query",
      "--show",
      "--showformat=${Package} ${db:Status-Status}\\n",
      "--",
      ...packages,
    ]);
    const installed = new Set(stdout.split("\n").filter((line) => line.endsWith(" installed")));
    return packages.filter((name) => !installed.has(`${name} installed`));
  } catch (error) {
    if (isMissingProgram(error)) return packages;
    throw error;
  }
}

function failure(missing: readonly string[], byHand: string, why: string): EngineError {
  return new EngineError("SETUP_FAILED", `Cannot install ${missing.join(", ")}: ${why}`, { hint: byHand });
}

function lastLines({ stdout, stderr }: CommandResult): string {
  return (stderr.trim() || stdout.trim()).split("\n").slice(-3).join("; ");
}

function isMissingProgram(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
