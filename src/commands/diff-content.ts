/** The content of a small text file before and after, as a unified diff. What is secret is hidden in both before they are compared. */
import { createTwoFilesPatch } from "diff";
import type { Masker } from "../joblog/masker.ts";
import type { MachineChanges } from "../survey/compare-machines.ts";
import type { FileChange } from "../survey/compare-surveys.ts";

/** Of a file whose content is shown. */
export const MAX_CONTENT_BYTES = 64 << 10;
/** Lines that differ: more are not a change that anybody reads, and take time that grows with their square. */
const MAX_EDITS = 2_000;

/** Undefined where there is nothing to show: no text, too large, or only times, modes and owners differ. */
export function contentDiff(
  change: FileChange,
  path: string,
  contents: MachineChanges["contents"],
  masker: Pick<Masker, "mask">,
): string | undefined {
  if (change.kind === "changed" && !change.aspects.includes("content")) return undefined;
  const before = change.kind === "added" ? "" : textIn(contents.before.get(change.path)?.content);
  const after = change.kind === "removed" ? "" : textIn(contents.after.get(change.path)?.content);
  if (before === undefined || after === undefined) return undefined;
  const names = [
    change.kind === "added" ? "/dev/null" : `a${path}`,
    change.kind === "removed" ? "/dev/null" : `b${path}`,
  ];
  const [oldName = "", newName = ""] = names;
  const patch = createTwoFilesPatch(oldName, newName, masker.mask(before), masker.mask(after), undefined, undefined, {
    context: 3,
    maxEditLength: MAX_EDITS,
  });
  // The library's first line is a rule of `=`.
  return patch?.slice(patch.indexOf("---"));
}

function textIn(content: Buffer | undefined): string | undefined {
  if (content === undefined || content.includes(0)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(content);
  } catch {
    return undefined;
  }
}
