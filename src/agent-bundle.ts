/** Where the guest agent's one file is: beside the release, or bundled from the sources when Hearth runs from those. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** Absolute, in a directory that holds nothing else. */
export async function agentBundle(dataDir: string): Promise<string> {
  const released = join(import.meta.dirname, "guest", "agent.js");
  if (existsSync(released)) return released;
  const bundled = join(dataDir, "agent", "agent.js");
  // Not a literal, so that the release does not carry the bundler.
  const script = pathToFileURL(join(import.meta.dirname, "..", "scripts", "bundle-agent.ts")).href;
  const { bundleAgent }: typeof import("../scripts/bundle-agent.ts") = await import(script);
  await bundleAgent(bundled);
  return bundled;
}
