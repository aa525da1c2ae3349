/** Which version of the action the step asked for: some did things differently. A branch or a commit counts as the newest. */
export function majorVersion(): number {
  const major = /^v?(?<major>\d{1,3})(?:\.\d+)*$/u.exec(process.env["GITHUB_ACTION_REF"] ?? "")?.groups?.["major"];
  return major === undefined ? Number.POSITIVE_INFINITY : Number(major);
}
