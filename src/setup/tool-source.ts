/** What `tools.ts` needs of each kind of tool; one file for each kind. */
import type { Network } from "./tool-download.ts";

/** As `process.arch` says it, and as tool caches name it (ACTIONS-CONTRACT §5.9). */
export type ToolArch = "x64" | "arm64";

export interface ToolSource {
  /** As setup actions look for it; case counts. */
  readonly directory: "node" | "Python" | "go";
  /** Everything that can be had for this machine. Throws SETUP_FAILED. */
  offers(network: Network, arch: ToolArch): Promise<readonly ToolOffer[]>;
  /** Prints its version, run in the tool's directory. */
  readonly check: readonly string[];
}

export interface ToolOffer {
  /** Three numbers. */
  readonly version: string;
  /** For people: where it comes from. */
  readonly from: string;
  /** Puts the tool into an empty directory. Throws SETUP_FAILED. */
  install(directory: string): Promise<void>;
}
