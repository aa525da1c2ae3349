/** `Range` of one part, as Azure understands it (RFC 9110 §14). Pure. */

export interface ByteRange {
  readonly from: number;
  /** Not included. */
  readonly to: number;
}

/** Undefined for one that is not understood, which a server may ignore. */
export function parseRange(header: string, sizeBytes: number): ByteRange | "unsatisfiable" | undefined {
  const { first, last } = /^bytes=(?<first>\d{1,15})-(?<last>\d{0,15})$/.exec(header)?.groups ?? {};
  if (first === undefined) return undefined;
  const from = Number(first);
  const to = last === undefined || last === "" ? sizeBytes : Math.min(Number(last) + 1, sizeBytes);
  if (last !== "" && Number(last) < from) return undefined;
  return from < sizeBytes ? { from, to } : "unsatisfiable";
}
