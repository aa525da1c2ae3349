/**
 * Texts that fit GitHub's limits, which count characters of a text as it travels in JSON (ACTIONS-CONTRACT §7.4). No cut goes
 * through a character: a surrogate pair stays whole, so what is sent is UTF-8 as before.
 */

/** As it is where it fits; else its beginning and `note`, together within `limit`. */
export function cutText(text: string, limit: number, note: string): string {
  if (lengthInJson(text) <= limit) return text;
  return beginning(text, limit - lengthInJson(note)) + note;
}

/** One line of at most `limit` characters, with `…` where something is missing. */
export function cutLine(text: string, limit: number): string {
  const line = text.replaceAll(/\s+/gu, " ").trim();
  return cutText(line, limit, "…");
}

/** Characters between the quotes of `JSON.stringify`. A lone surrogate, which JSON escapes, counts as that. */
export function lengthInJson(text: string): number {
  return JSON.stringify(text).length - 2;
}

function beginning(text: string, limit: number): string {
  let [low, high] = [0, Math.min(text.length, Math.max(0, limit))];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (lengthInJson(text.slice(0, wholeUntil(text, middle))) <= limit) low = middle;
    else high = middle - 1;
  }
  return text.slice(0, wholeUntil(text, low));
}

/** Of a pair at the cut neither half stays. */
function wholeUntil(text: string, end: number): number {
  return (text.codePointAt(end - 1) ?? 0) > 0xffff ? end - 1 : end;
}
