/**
 * Takes checkpoints away, and gives their space back. A pack goes with the last checkpoint that uses it; one of which less than half is
 * still used is written anew with only that, under the same name. All of this under the lock.
 */
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import { readIndex } from "./index-file.ts";
import { readPack, writePack } from "./pack-file.ts";
import { bytesOf, indexPath, packPath, removeUnusedPacks, surveyShelf, syncDirectory } from "./shelf.ts";
import type { KeptIndex, Shelf, Survey } from "./shelf.ts";
import { makeWorkDirectory } from "./work-directory.ts";

/** Removes the oldest until all is within the limit: those that cannot be opened and of other runs first, then the run's own, never `stem`. */
export function keepWithin(
  shelf: Shelf,
  limitBytes: number,
  kept: { readonly stem: string; readonly run: string },
): void {
  let survey = removeUnusedPacks(shelf);
  while (bytesOf(survey) > limitBytes) {
    const others = survey.indexes.filter(({ stem }) => stem !== kept.stem);
    const victim = others.find(({ description }) => description?.run !== kept.run) ?? others[0];
    if (victim === undefined) break;
    survey = removeIndexes(shelf, [victim], 0.5);
  }
  if (bytesOf(survey) > limitBytes) survey = thin(shelf, survey, [...survey.packs.keys()], 1);
  if (bytesOf(survey) <= limitBytes) return;
  removeIndexes(
    shelf,
    survey.indexes.filter(({ stem }) => stem === kept.stem),
    0,
  );
  throw new EngineError("STATE_UNWRITABLE", "Cannot keep a checkpoint: it alone is larger than the limit of all", {
    hint: "HEARTH_CHECKPOINTS_MIB sets the limit.",
  });
}

/** `leastUsed`: the share of a pack's bytes below which it is written anew. */
export function removeIndexes(shelf: Shelf, indexes: readonly KeptIndex[], leastUsed: number): Survey {
  for (const { stem } of indexes) rmSync(indexPath(shelf, stem), { force: true });
  if (indexes.length > 0) syncDirectory(join(shelf.directory, "index"));
  const left = removeUnusedPacks(shelf);
  return thin(shelf, left, [...new Set(indexes.flatMap(({ packs }) => packs))], leastUsed);
}

function thin(shelf: Shelf, survey: Survey, packs: readonly string[], leastUsed: number): Survey {
  const here = packs.filter((id) => survey.packs.has(id));
  if (leastUsed === 0 || here.length === 0) return survey;
  const used = chunksInUse(shelf, survey, new Set(here));
  const done = here.map((id) => {
    const names = used.get(id);
    return names !== undefined && tryRewritePack(shelf, id, names, leastUsed);
  });
  return done.includes(true) ? surveyShelf(shelf) : survey;
}

/** By pack; without those of which somebody holds what this key does not open. */
function chunksInUse(
  shelf: Shelf,
  { indexes }: Survey,
  packs: ReadonlySet<string>,
): ReadonlyMap<string, ReadonlySet<string>> {
  const used = new Map([...packs].map((id) => [id, new Set<string>()]));
  for (const { stem, packs: ofIndex } of indexes) {
    if (!ofIndex.some((id) => packs.has(id))) continue;
    const { content } = readIndex(indexPath(shelf, stem), stem, shelf.keys);
    if (content === undefined) for (const id of ofIndex) used.delete(id);
    for (const reference of content?.references ?? []) {
      if (reference.kind === "chunk") used.get(ofIndex[reference.pack] ?? "")?.add(reference.name.toString("latin1"));
    }
  }
  return used;
}

/** False too where the disk is so full that it cannot: the pack stays as it is, and what was asked for is done without. */
function tryRewritePack(shelf: Shelf, id: string, names: ReadonlySet<string>, leastUsed: number): boolean {
  try {
    return rewritePack(shelf, id, names, leastUsed);
  } catch (error) {
    if (error instanceof Error && "errno" in error) return false;
    throw error;
  }
}

/** Whole or as before: who has the old file open reads on in it. False where it is used enough, or cannot be read. */
function rewritePack(shelf: Shelf, id: string, names: ReadonlySet<string>, leastUsed: number): boolean {
  using pack = readPack(packPath(shelf, id), id, shelf.keys);
  if (pack === undefined) return false;
  const places = [...pack.places].filter(([name]) => names.has(name));
  const usedBytes = places.reduce((sum, [, { length }]) => sum + length, 0);
  if (places.length === pack.places.size || usedBytes >= pack.sizeBytes * leastUsed) return false;
  const work = makeWorkDirectory(shelf.directory);
  try {
    const writer = writePack(join(work, id), id, shelf.keys);
    try {
      for (const [name, place] of places) writer.addSealed(Buffer.from(name, "latin1"), pack.readSealed(place));
      writer.finish();
    } finally {
      writer.close();
    }
    renameSync(join(work, id), packPath(shelf, id));
    syncDirectory(join(shelf.directory, "packs"));
    return true;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
