/** Called workflows of other repositories by the rules for actions: policy, and what the lock file says that a reference means. */
import { repositoryKey } from "../action/reference.ts";
import type { WayOptions } from "../action/choose-way.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { RemoteTree, WorkflowSources } from "./called-workflows.ts";
import type { PinFault, ReferencePins } from "./reference-pins.ts";
import { findByCommit } from "./repository-places.ts";
import type { RemoteReference } from "./workflow-reference.ts";

/** `onTree` is told of each repository that was opened. */
export function guardedSources(
  sources: WorkflowSources,
  policy: WayOptions["policy"],
  pins: ReferencePins,
): WorkflowSources {
  const openLocked = (reference: RemoteReference) =>
    findByCommit(reference, pins.commitOf(reference), (at) => sources.open(at));
  return {
    workingTree: sources.workingTree,
    async open(reference) {
      const denied = policy?.({ ...reference, path: "" }) ?? pins.faultOf(reference);
      if (denied !== undefined) return sentence(denied);
      const found = await sources.open(reference);
      const tree = typeof found === "object" ? found : await openLocked(reference);
      if (tree === undefined) return found;
      const moved = pins.faultOfCommit(reference, tree.from.sha);
      return moved === undefined ? checkedTree(tree, reference, pins) : sentence(moved);
    },
  };
}

function checkedTree(tree: RemoteTree, reference: RemoteReference, pins: ReferencePins): RemoteTree {
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
