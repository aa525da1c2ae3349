/** The body of Put Block List. Only what Azure's documentation shows is read: no entities, no doctypes, no attributes. Pure. */

const MAX_BLOCKS = 50_000;
const SPACE = /\s*/y;
const PROLOG = /<\?xml[^<>]{0,100}\?>/y;
const ENTRY = /<(?<tag>Latest|Committed|Uncommitted)>(?<id>[A-Za-z0-9+/]{1,88}={0,2})<\/\k<tag>>/y;

/** Block ids in order; undefined for anything else. Takes time in proportion to the text. */
export function parseBlockList(text: string): readonly string[] | undefined {
  let at = text.startsWith("\uFEFF") ? 1 : 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text) ?? undefined;
    if (found !== undefined) at = pattern.lastIndex;
    return found;
  };
  take(SPACE);
  take(PROLOG);
  take(SPACE);
  const ids: string[] = [];
  if (take(/<BlockList\s*\/>/y) === undefined) {
    if (take(/<BlockList>/y) === undefined) return undefined;
    take(SPACE);
    for (let entry = take(ENTRY); entry !== undefined; entry = take(ENTRY)) {
      if (ids.length === MAX_BLOCKS) return undefined;
      ids.push(entry.groups?.["id"] ?? "");
      take(SPACE);
    }
    if (take(/<\/BlockList>/y) === undefined) return undefined;
  }
  take(SPACE);
  return at === text.length ? ids : undefined;
}
