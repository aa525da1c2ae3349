/**
 * Versions as people ask for them (`24`, `3.12`, `1.25.4`) and as they are offered. Pure. Only finished versions: what has a
 * suffix (`-rc.1`, `rc1`) is never chosen.
 */

/** Three numbers of a finished version; undefined for everything else. */
export function parseVersion(text: string): readonly [number, number, number] | undefined {
  const { major, minor, patch } = /^v?(?<major>\d+)\.(?<minor>\d+)(?:\.(?<patch>\d+))?$/u.exec(text)?.groups ?? {};
  return major === undefined ? undefined : [Number(major), Number(minor), Number(patch ?? 0)];
}

export function compareVersions(a: string, b: string): number {
  const [left, right] = [parseVersion(a) ?? [0, 0, 0], parseVersion(b) ?? [0, 0, 0]];
  return left[0] - right[0] || left[1] - right[1] || left[2] - right[2];
}

/** `wish` is a version or the beginning of one, in whole numbers: `3.1` is not the beginning of `3.12`. */
export function highestVersion(versions: readonly string[], wish: string): string | undefined {
  const fitting = versions.filter(
    (version) => parseVersion(version) !== undefined && `${version}.`.startsWith(`${wish}.`),
  );
  return fitting.toSorted(compareVersions).at(-1);
}

/**
 * Whether `version` is within the range that a package names: `^20.17.0 || >=22.9.0` as npm writes it, `>=3.9,!=3.9.1` as Python does. What
 * cannot be read holds for no version.
 */
export function isWithin(version: string, range: string): boolean {
  return range.split("||").some((part) => {
    const comparators = part
      .replaceAll(/([<>=!~^])\s+/gu, "$1")
      .split(/[\s,]+/u)
      .filter(Boolean);
    return comparators.every((comparator) => satisfies(version, comparator));
  });
}

function satisfies(version: string, comparator: string): boolean {
  const { sign = "", bound = "" } = /^(?<sign>\D*)(?<bound>[\d.]+)(?:\.\*)?$/u.exec(comparator)?.groups ?? {};
  const full = bound.includes(".") ? bound : `${bound}.0`;
  if (parseVersion(full) === undefined) return comparator === "*";
  const order = compareVersions(version, full);
  switch (sign) {
    case ">=":
      return order >= 0;
    case ">":
      return order > 0;
    case "<=":
      return order <= 0;
    case "<":
      return order < 0;
    case "^":
      return order >= 0 && parseVersion(version)?.[0] === parseVersion(full)?.[0];
    case "!=":
      return order !== 0;
    case "":
    case "=":
    case "==":
      return `${version}.`.startsWith(`${bound}.`);
    default:
      return false;
  }
}
