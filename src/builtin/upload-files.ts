/** The upload of `actions/upload-artifact` and of its `merge`, and what both say of it. */
import { ArtifactNotFoundError, DefaultArtifactClient } from "@actions/artifact";
import { debug, getInput, info, setOutput } from "@actions/core";
import type { FoundFiles } from "./find-files.ts";

export interface Upload extends FoundFiles {
  readonly name: string;
  /** False: one file, as it is. */
  readonly archive: boolean;
}

export async function upload({ name, files, root, archive }: Upload): Promise<void> {
  const retentionDays = wholeNumber("retention-days");
  const compressionLevel = wholeNumber("compression-level");
  if (compressionLevel !== undefined && compressionLevel > 9) {
    throw new Error("Invalid compression-level. Valid values are 0-9");
  }
  const { id, size, digest } = await new DefaultArtifactClient().uploadArtifact(name, files, root, {
    ...(retentionDays === undefined ? {} : { retentionDays }),
    ...(compressionLevel === undefined ? {} : { compressionLevel }),
    ...(archive ? {} : { skipArchive: true }),
  });
  info(`Artifact ${name} has been successfully uploaded! Final size is ${size} bytes. Artifact ID is ${id}`);
  setOutput("artifact-id", id);
  setOutput("artifact-digest", digest);
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository, GITHUB_RUN_ID: run } = process.env;
  const url = `${server}/${repository}/actions/runs/${run}/artifacts/${id}`;
  info(`Artifact download URL: ${url}`);
  setOutput("artifact-url", url);
}

/** As well as can be: what stays is told by the upload. */
export async function deleteIfThere(name: string): Promise<void> {
  try {
    await new DefaultArtifactClient().deleteArtifact(name);
  } catch (error) {
    const why = error instanceof ArtifactNotFoundError ? "it does not exist" : String(error);
    debug(`Skipping deletion of '${name}': ${why}`);
  }
}

function wholeNumber(input: string): number | undefined {
  const text = getInput(input);
  if (text === "") return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new Error(`Invalid ${input}`);
}
