/** Which pack has a chunk: the tables of all packs, read again only where packs have come, gone or changed. */
import { statSync } from "node:fs";
import { readPack } from "./pack-file.ts";
import { isMissing, packPath, packSizes } from "./shelf.ts";
import type { Shelf } from "./shelf.ts";

export interface KnownChunk {
  readonly pack: string;
  /** In the pack. */
  readonly bytes: number;
}

export interface KnownChunks {
  refresh(): void;
  /** By a chunk's name as latin1. */
  find(name: string): KnownChunk | undefined;
  /** Of packs as they were at the latest `refresh`: a function that says whether they still are. */
  relyOn(packs: readonly string[]): () => boolean;
}

export function createKnownChunks(shelf: Shelf): KnownChunks {
  let stamps = new Map<string, string>();
  let chunks = new Map<string, KnownChunk>();

  function learn(id: string): void {
    const path = packPath(shelf, id);
    const stamp = stampOf(path);
    if (stamp === undefined) return;
    try {
      // One that is another key's, or damaged, is only not relied on.
      using pack = readPack(path, id, shelf.keys);
      for (const [name, { length }] of pack?.places ?? []) chunks.set(name, { pack: id, bytes: length });
      stamps.set(id, stamp);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  const isAsBefore = ([id, stamp]: readonly [string, string | undefined]): boolean =>
    stamp !== undefined && stamp === stampOf(packPath(shelf, id));

  return {
    refresh() {
      if (![...stamps].every(isAsBefore)) {
        stamps = new Map();
        chunks = new Map();
      }
      for (const id of packSizes(shelf).keys()) if (!stamps.has(id)) learn(id);
    },
    find: (name) => chunks.get(name),
    relyOn(packs) {
      const relied = packs.map((id) => [id, stamps.get(id)] as const);
      return () => relied.every(isAsBefore);
    },
  };
}

/** A pack that was thinned is another file under the same name. */
function stampOf(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat && `${stat.ino} ${stat.size} ${stat.mtimeNs}`;
}
