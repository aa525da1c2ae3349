/** Actions of other repositories that exist only in a test: by `owner/name@ref`, their files by path. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { packTar } from "modern-tar";
import type { ActionSource } from "../src/action/action-source.ts";
import { createStepWayChooser } from "../src/action/choose-way.ts";
import type { ManifestLookup, WayOptions } from "../src/action/choose-way.ts";
import type { RemoteReference } from "../src/action/reference.ts";
import { EngineError } from "../src/lib/engine-error.ts";
import type { RemoteAction } from "../src/plan/plan.ts";

export type FakeActions = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface ActionKnobs {
  /** Called before the archive is given; may throw, or wait. */
  readonly beforeOpen?: (action: RemoteAction) => Promise<void> | void;
  /** The archive breaks off in its middle. */
  readonly breakOff?: boolean;
}

/** What planning asks. */
export function knownActions(actions: FakeActions): WayOptions["known"] {
  return (reference) => {
    const files = actions[rootOf(reference)];
    if (files === undefined) return undefined;
    if (files[TRANSLATION] !== undefined)
      return { kind: "missing", fault: "cannot be had", fix: "there is a translation" };
    const { owner, name, path, ref } = reference;
    const prefix = path === "" ? "" : `${path}/`;
    const text = files[`${prefix}action.yml`];
    return {
      kind: "found",
      action: { repository: `${owner}/${name}`, path, ref, sha: shaOf(files) },
      manifest: text === undefined ? undefined : { path: `${prefix}action.yml`, text },
    };
  };
}

/** An action with this file cannot be had, and the file stands for it. */
const TRANSLATION = "translation.yml";

export function fakeTranslations(actions: FakeActions): WayOptions["translated"] {
  return ({ reference }) => {
    const manifest = actions[rootOf(reference)]?.[TRANSLATION];
    return manifest === undefined
      ? undefined
      : { kind: "translated", by: { kind: "rule", rule: `${reference.owner}/${reference.name}` }, manifest };
  };
}

/** What the engine asks. */
export function fakeActionSource(
  actions: FakeActions,
  lookup: ManifestLookup = () => undefined,
  knobs: ActionKnobs = {},
): ActionSource {
  const chooseWay = createStepWayChooser(lookup, {
    builtins: true,
    known: knownActions(actions),
    translated: fakeTranslations(actions),
  });
  return {
    async open(action) {
      await knobs.beforeOpen?.(action);
      const files = actions[`${action.repository}@${action.ref}`];
      if (files === undefined) throw new EngineError("ACTION_UNAVAILABLE", `${action.repository} is gone`);
      const tar = await packTar(
        Object.entries(files).map(([name, body]) => ({ header: { name, size: Buffer.byteLength(body) }, body })),
      );
      return Readable.from(knobs.breakOff === true ? brokenOff(tar) : [tar]);
    },
    chooseWay: async (step, inside) => chooseWay(step, inside),
  };
}

function* brokenOff(tar: Uint8Array): Generator<Uint8Array> {
  yield tar.subarray(0, 700);
  throw new Error("the disk is gone");
}

function rootOf({ owner, name, ref }: RemoteReference): string {
  return `${owner}/${name}@${ref}`;
}

function shaOf(files: FakeActions[string]): string {
  return createHash("sha1").update(JSON.stringify(files)).digest("hex");
}
