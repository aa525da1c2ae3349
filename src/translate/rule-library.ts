/**
 * Hearth's own translations: one file for each action, `rules/<owner>/<name>.yml`, a composite action whose `hearth` member names
 * the hosts that it needs. Found by the action's name and read when it is asked for. A rule does what the action does with what
 * the machine has or can reach, or fails and says what it lacks; where it does nothing, that has no effect on later steps.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import * as z from "zod/mini";
import type { RemoteReference } from "../action/reference.ts";

export interface Rule {
  /** `owner/name` in lower case. */
  readonly name: string;
  /** What a machine must reach. */
  readonly hosts: readonly string[];
  /** What its scripts may name: the same, and what their messages speak of. */
  readonly named: readonly string[];
  /** Text of the composite action. */
  readonly manifest: string;
}

/** Beside the sources, and beside the release's one file. */
const DIRECTORY = join(import.meta.dirname, "rules");

/** Of the action itself, whatever its version: an action in a directory of a repository is another one. */
export function findRule({ owner, name, path }: Pick<RemoteReference, "owner" | "name" | "path">): Rule | undefined {
  return path === "" ? readRule(`${owner}/${name}`.toLowerCase()) : undefined;
}

/** Sorted. */
export function listRules(): readonly string[] {
  return readdirSync(DIRECTORY, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => readdirSync(join(DIRECTORY, name)).map((file) => `${name}/${file.replace(/\.yml$/u, "")}`))
    .toSorted();
}

const known = new Map<string, Rule | undefined>();

/** Names of repositories hold no `..` and no slash, so a path made of them stays in the directory. */
function readRule(name: string): Rule | undefined {
  if (known.has(name)) return known.get(name);
  const path = join(DIRECTORY, `${name}.yml`);
  const rule = existsSync(path) ? parseRule(name, readFileSync(path, "utf8")) : undefined;
  known.set(name, rule);
  return rule;
}

const Head = z.object({
  hearth: z.strictObject({ hosts: z.array(z.string()), mentions: z.optional(z.array(z.string())) }),
});

function parseRule(name: string, manifest: string): Rule {
  // Its head alone: the rest is for the reader of manifests.
  const { hearth } = Head.parse(parse(/^hearth:\n(?: .*\n)+/mu.exec(manifest)?.[0] ?? ""));
  const { hosts, mentions = [] } = hearth;
  return { name, hosts, named: [...hosts, ...mentions], manifest };
}
