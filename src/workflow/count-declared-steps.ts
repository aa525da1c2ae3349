/**
 * Counts the steps that a workflow's YAML declares, from the parsed YAML alone: no schema, no reader, no converter.
 * `read-workflow.ts` compares it with the steps held, and refuses the file when they differ: this is what keeps a fault
 * in any of those from making a step disappear. Aliases count where they stand; a `parallel` group counts itself and
 * the steps in it.
 */
import { type Alias, type Document, isAlias, isMap, isSeq, visit } from "yaml";

export function countDeclaredSteps(document: Document): number {
  return stepsByJob(document).reduce((sum, [, steps]) => sum + steps, 0);
}

/** In the order of the file. Jobs that call a workflow have none. */
export function stepsByJob(document: Document): readonly (readonly [job: string, steps: number])[] {
  const resolve = aliasResolver(document);
  const jobs = valueOf(document.contents, "jobs", resolve);
  if (!isMap(jobs)) return [];
  return jobs.items.map(
    (pair) => [String(pair.key), countSteps(valueOf(pair.value, "steps", resolve), resolve)] as const,
  );
}

type Resolve = (node: unknown) => unknown;

function countSteps(steps: unknown, resolve: Resolve): number {
  if (!isSeq(steps)) return 0;
  return steps.items.reduce<number>(
    (sum, step) => sum + 1 + countSteps(valueOf(step, "parallel", resolve), resolve),
    0,
  );
}

function valueOf(node: unknown, key: string, resolve: Resolve): unknown {
  const map = resolve(node);
  if (!isMap(map)) return undefined;
  return resolve(map.items.find((pair) => String(resolve(pair.key)) === key)?.value);
}

/** An alias means the last anchor of its name before it. Few files have one, and only then are all nodes looked at. */
function aliasResolver(document: Document): Resolve {
  let targets: WeakMap<Alias, unknown> | undefined;
  return (node) => {
    if (!isAlias(node)) return node;
    targets ??= targetsOf(document);
    return targets.get(node);
  };
}

function targetsOf(document: Document): WeakMap<Alias, unknown> {
  const nodeByAnchor = new Map<string, unknown>();
  const targets = new WeakMap<Alias, unknown>();
  visit(document, {
    Node: (_key, node) => {
      if (isAlias(node)) targets.set(node, nodeByAnchor.get(node.source));
      else if (node.anchor !== undefined) nodeByAnchor.set(node.anchor, node);
    },
  });
  return targets;
}
