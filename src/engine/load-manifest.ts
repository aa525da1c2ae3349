/** The manifest of an action as it stands in the machine, where GitHub's runner looks for it and in its order (ACTIONS-CONTRACT §4.1). */
import { MANIFEST_FILES, MAX_MANIFEST_BYTES, readManifest } from "../action/manifest.ts";
import type { ActionManifest } from "../action/manifest.ts";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import type { AgentClient } from "../protocol/agent-client.ts";

export type LoadedManifest =
  | { readonly kind: "loaded"; readonly manifest: ActionManifest }
  | { readonly kind: "missing" }
  /** A Dockerfile, which needs no manifest. */
  | { readonly kind: "dockerfile" }
  | { readonly kind: "refused"; readonly message: string };

/** `shown` is the directory as people know it, for messages. */
export async function loadManifest(agent: AgentClient, directory: string, shown: string): Promise<LoadedManifest> {
  for (const name of MANIFEST_FILES) {
    const content = await agent.readFile(`${directory}/${name}`, MAX_MANIFEST_BYTES);
    if (content === undefined) continue;
    if (!name.startsWith("action")) return { kind: "dockerfile" };
    const read = readManifest(`${shown}/${name}`, content.toString("utf8"));
    if (read.kind === "read") return { kind: "loaded", manifest: read.manifest };
    return { kind: "refused", message: read.diagnostics.map(formatDiagnostic).join("\n") };
  }
  return { kind: "missing" };
}
