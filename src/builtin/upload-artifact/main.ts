/** `actions/upload-artifact`. Source: github.com/actions/upload-artifact, README and action.yml. */
import { getBooleanInput, getInput, info, setFailed, warning } from "@actions/core";
import { failWith } from "../fail-with.ts";
import { findFiles } from "../find-files.ts";
import { deleteIfThere, upload } from "../upload-files.ts";

void failWith(async () => {
  const name = getInput("name");
  const path = getInput("path", { required: true });
  const whenNone = getInput("if-no-files-found");
  if (!["warn", "error", "ignore"].includes(whenNone)) {
    throw new Error(
      `Unrecognized if-no-files-found input. Provided: ${whenNone}. Available options: warn,error,ignore`,
    );
  }
  const archive = getBooleanInput("archive");
  const found = await findFiles(path, { hidden: getBooleanInput("include-hidden-files") });
  const { length } = found.files;
  if (length === 0) {
    const say = whenNone === "warn" ? warning : whenNone === "error" ? setFailed : info;
    say(`No files were found with the provided path: ${path}. No artifacts will be uploaded.`);
    return;
  }
  info(`With the provided path, there will be ${length} file${length === 1 ? "" : "s"} uploaded`);
  if (!archive && length > 1) {
    throw new Error(
      `When 'archive' is set to false, only a single file can be uploaded. Found ${length} files to upload.`,
    );
  }
  if (getBooleanInput("overwrite")) await deleteIfThere(name);
  await upload({ ...found, name, archive });
});
