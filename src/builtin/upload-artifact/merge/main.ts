/** `actions/upload-artifact/merge`: several artifacts of the run become one. */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { DefaultArtifactClient } from "@actions/artifact";
import { getBooleanInput, getInput, info } from "@actions/core";
import { failWith } from "../../fail-with.ts";
import { findFiles } from "../../find-files.ts";
import { downloadAll, selectArtifacts } from "../../select-artifacts.ts";
import { upload } from "../../upload-files.ts";

void failWith(async () => {
  const pattern = getInput("pattern");
  const artifacts = await selectArtifacts(pattern, {});
  if (artifacts.length === 0) throw new Error(`No artifacts found matching pattern '${pattern}'`);
  info("Preparing to download the following artifacts:");
  for (const { name, id, size } of artifacts) info(`- ${name} (ID: ${id}, Size: ${size})`);
  const scratch = await mkdtemp(join(process.env["RUNNER_TEMP"] ?? "/tmp", "merge-artifact-"));
  try {
    const apart = getBooleanInput("separate-directories");
    await downloadAll(artifacts, ({ name }) => (apart ? join(scratch, name) : scratch), {});
    const { files } = await findFiles(scratch, { hidden: getBooleanInput("include-hidden-files") });
    await upload({ name: getInput("name"), files, root: scratch, archive: true });
    info(`The ${artifacts.length} artifact(s) have been successfully merged!`);
    if (getBooleanInput("delete-merged")) {
      const client = new DefaultArtifactClient();
      await Promise.all(artifacts.map(({ name }) => client.deleteArtifact(name)));
      info(`The ${artifacts.length} artifact(s) have been deleted`);
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
});
