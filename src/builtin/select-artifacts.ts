/** Which artifacts of the run a pattern means. */
import { DefaultArtifactClient } from "@actions/artifact";
import type { Artifact, FindOptions } from "@actions/artifact";
import { Minimatch } from "minimatch";

/** The latest of each name; an empty pattern means all. */
export async function selectArtifacts(pattern: string, find: FindOptions): Promise<readonly Artifact[]> {
  const { artifacts } = await new DefaultArtifactClient().listArtifacts({ latest: true, ...find });
  if (pattern === "") return artifacts;
  const matcher = new Minimatch(pattern);
  return artifacts.filter(({ name }) => matcher.match(name));
}

/** A few at a time. */
export async function downloadAll(
  artifacts: readonly Artifact[],
  directoryOf: (artifact: Artifact) => string,
  find: FindOptions,
  options: { readonly skipDecompress?: boolean } = {},
): Promise<readonly { readonly artifact: Artifact; readonly mismatch: boolean }[]> {
  const client = new DefaultArtifactClient();
  const results: { artifact: Artifact; mismatch: boolean }[] = [];
  for (let from = 0; from < artifacts.length; from += AT_ONCE) {
    const batch = artifacts.slice(from, from + AT_ONCE).map(async (artifact) => {
      const { digestMismatch } = await client.downloadArtifact(artifact.id, {
        ...find,
        ...options,
        path: directoryOf(artifact),
        ...(artifact.digest === undefined ? {} : { expectedHash: artifact.digest }),
      });
      return { artifact, mismatch: digestMismatch === true };
    });
    results.push(...(await Promise.all(batch)));
  }
  return results;
}

const AT_ONCE = 5;
