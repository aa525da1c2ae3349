/** Times, durations and addresses differ in every run and say nothing. */
const NOISE =
  /\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d+)?Z?\b|\b\d{2}:\d{2}:\d{2}(?:[.,]\d+)?\b|\b\d+(?:\.\d+)?\s?(?:ms|s|µs|ns)\b|\b0x[0-9a-f]+\b/g;

/** Index of the first line in which two outputs differ by more than times; undefined where they do not. Pure. */
export function firstDifference(one: readonly string[], other: readonly string[]): number | undefined {
  const length = Math.max(one.length, other.length);
  for (let index = 0; index < length; index += 1) {
    if (withoutNoise(one[index]) !== withoutNoise(other[index])) return index;
  }
  return undefined;
}

function withoutNoise(line: string | undefined): string | undefined {
  return line?.replaceAll(NOISE, "");
}
