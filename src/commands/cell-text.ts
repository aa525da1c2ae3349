/** How sizes and times stand in tables, for people. */

export function mebibytes(sizeBytes: number): string {
  return `${Math.round(sizeBytes / 1024 ** 2)} MiB`;
}

/** ISO 8601 as `2026-11-23 03:00`. */
export function minuteText(iso: string): string {
  return iso.slice(0, 16).replace("T", " ");
}
