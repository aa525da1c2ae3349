/** Called workflows of other repositories by the rules for actions: policy, and what the lock file says that a reference means. */
import { repositoryKey } from "../action/reference.ts";
import type { WayOptions } from "../action/choose-way.ts";
import { isCommitId } from "../git/remote-cache.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { WorkflowSources, WorkflowTree } from "./called-workflows.ts";
import type { PinFault, ReferencePins } from "./reference-pins.ts";
import type { RemoteReference } from "./workflow-reference.ts";

/** `onTree` is told of each repository that was opened. */
export function guardedSources(
  sources: WorkflowSources,
  policy: WayOptions["policy"],
  pins: ReferencePins,
): WorkflowSources {
  return {
    workingTree: sources.workingTree,
    async open(reference) {
      const denied = policy?.({ ...reference, path: "" }) ?? pins.faultOf(reference);
      if (denied !== undefined) return sentence(denied);
      const tree = await openPinned(sources, reference, pins.commitOf(reference));
      if (typeof tree === "string" || tree.from === undefined) return tree;
      const moved = pins.faultOfCommit(reference, tree.from.sha);
      return moved === undefined ? checkedTree(tree, reference, pins) : sentence(moved);
    },
  };
}

/** What does not know the name may have the commit that is locked for it. */
async function openPinned(
  sources: WorkflowSources,
  reference: RemoteReference,
  commit: string | undefined,
): Promise<WorkflowTree | string> {
  const tree = await sources.open(reference);
  if (typeof tree === "object" || commit === undefined || isCommitId(reference.ref)) return tree;
  const pinned = await sources.open({ ...reference, ref: commit });
  if (typeof pinned === "string" || pinned.from === undefined) return tree;
  return { ...pinned, from: { ...pinned.from, ref: reference.ref } };
}

function checkedTree(tree: WorkflowTree, reference: RemoteReference, pins: ReferencePins): WorkflowTree {
  return {
    ...tree,
    async read(path) {
      const content = await tree.read(path);
      const fault = content.kind === "text" ? pins.faultOfFile(reference, path, content.text) : undefined;
      if (fault !== undefined) throw new EngineError("ACTION_MOVED", `${repositoryKey(reference)} ${sentence(fault)}`);
      return content;
    },
  };
}

function sentence({ fault, fix }: PinFault): string {
  return `it ${fault}: ${fix}`;
}
