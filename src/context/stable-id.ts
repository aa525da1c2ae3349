/** Numeric ids for what has none here: the same name always has the same one, as caches and artifacts are kept by it. */

/** Within JavaScript's safe integers; case does not count. Two FNV-1a hashes make 52 bits. */
export function stableId(name: string): number {
  const text = name.toLowerCase();
  return (fnv1a(text, 0x811c9dc5) % 0x100000) * 0x100000000 + fnv1a(text, 0x01000193);
}

function fnv1a(text: string, seed: number): number {
  let hash = seed;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash;
}
