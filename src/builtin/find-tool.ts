/** Tools of the machine's tool cache, chosen as setup actions choose them; nothing is downloaded. */
import { find, findAllVersions } from "@actions/tool-cache";
import { warning } from "@actions/core";
import { arch as machineArch } from "node:os";

export interface FoundTool {
  readonly version: string;
  readonly directory: string;
}

export interface ToolWish {
  /** As the tool cache spells it. */
  readonly tool: "node" | "Python" | "go";
  /** A range of npm's kind; empty: the newest. */
  readonly range: string;
  /** As the author wrote it. */
  readonly asked: string;
  readonly architecture: string;
}

/** Throws with what there is and how to add what was asked for. */
export function findTool({ tool, range, asked, architecture }: ToolWish): FoundTool {
  const arch = architecture === "" ? machineArch() : architecture;
  const directory = find(tool, range === "" ? "*" : range, arch);
  if (directory !== "") return { version: directory.split("/").at(-2) ?? "", directory };
  const name = tool.toLowerCase();
  const there = findAllVersions(tool, arch);
  const have = there.length === 0 ? "it has none" : `it has ${there.join(", ")}`;
  const wish = /^\d+(?:\.\d+){0,2}/u.exec(asked)?.[0] ?? (there.length === 0 ? "<version>" : "");
  const fix = wish === "" ? "" : `; on the host: hearth tools add ${name}@${wish}`;
  throw new Error(`The tool cache has no ${tool} ${asked} for ${arch} (${have})${fix}`);
}

/** What only a list of all releases could tell. */
export function warnOffline(what: string): void {
  warning(`${what}: the built-in takes the newest version of the machine's tool cache`);
}
