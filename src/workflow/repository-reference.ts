/**
 * Which owners, names and refs a `uses:` may have, wherever it stands. They end in paths, in addresses and in what git is asked,
 * so whatever could mean something else there is a fault (SECURITY-RELIABILITY A18). Pure.
 */

/** Characters of a ref or a file's name. */
export const MAX_NAME = 255;

/** Both can stand in a path and in an address. */
export function isRepositoryName(owner: string, name: string): boolean {
  return OWNER.test(owner) && NAME.test(name);
}

/** Of what git forbids in a name; see git-check-ref-format(1). */
export function faultOfRef(ref: string): string | undefined {
  if (ref.length > MAX_NAME) return "the version is too long";
  const character = /[?*[\]\\~^:]|\.\.|\/\/|@\{/.exec(ref)?.[0];
  if (character !== undefined) return `invalid character '${character}' in version`;
  if (/[\s\p{Cc}]/u.test(ref)) return "version cannot have white space or control characters";
  if (/^[/.-]|[/.]$/.test(ref)) return "version cannot begin or end with a slash '/' or a dot '.'";
  return ref.split("/").some((part) => part.startsWith(".") || part.endsWith(".lock")) ? "invalid version" : undefined;
}

const OWNER = /^\w[\w-]{0,99}$/;
const NAME = /^(?!\.{1,2}$)[\w.][\w.-]{0,99}$/;
