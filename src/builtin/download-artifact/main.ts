/** `actions/download-artifact`. Source: github.com/actions/download-artifact, README and action.yml. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { DefaultArtifactClient } from "@actions/artifact";
import type { Artifact, FindOptions } from "@actions/artifact";
import { getBooleanInput, getInput, info, setOutput, warning } from "@actions/core";
import { failWith } from "../fail-with.ts";
import { majorVersion } from "../major-version.ts";
import { downloadAll, selectArtifacts } from "../select-artifacts.ts";

void failWith(async () => {
  const name = getInput("name");
  const ids = getInput("artifact-ids");
  const onMismatch = getInput("digest-mismatch") || "error";
  if (!["ignore", "info", "warn", "error"].includes(onMismatch)) {
    throw new Error(
      `Invalid value for 'digest-mismatch': '${onMismatch}'. Valid options are: ignore, info, warn, error`,
    );
  }
  const given = getInput("path").replace(/^~/u, homedir());
  const path = resolve(given === "" ? (process.env["GITHUB_WORKSPACE"] ?? process.cwd()) : given);
  if (name !== "" && ids !== "") {
    throw new Error("Inputs 'name' and 'artifact-ids' cannot be used together. Please specify only one.");
  }
  const find = findOptions();
  const chosen = await choose(name, ids, find);
  if (chosen.length > 0) info("Preparing to download the following artifacts:");
  for (const one of chosen) info(`- ${one.name} (ID: ${one.id}, Size: ${one.size}, Expected Digest: ${one.digest})`);
  // Until version 4 one that was not named had a directory of its own, even where it was the only one.
  const alone = name !== "" || getBooleanInput("merge-multiple") || (chosen.length === 1 && majorVersion() > 4);
  const skipDecompress = getBooleanInput("skip-decompress");
  const directoryOf = (artifact: Artifact): string => (alone ? path : join(path, artifact.name));
  const done = await downloadAll(chosen, directoryOf, find, { skipDecompress });
  const wrong = done.filter(({ mismatch }) => mismatch).map(({ artifact }) => artifact.name);
  tellMismatches(wrong, onMismatch);
  info(`Total of ${chosen.length} artifact(s) downloaded`);
  setOutput("download-path", path);
  info("Download artifact has finished successfully");
}, "Unable to download artifact(s): ");

async function choose(name: string, ids: string, find: FindOptions): Promise<readonly Artifact[]> {
  if (name !== "") {
    info("Downloading single artifact");
    return [(await new DefaultArtifactClient().getArtifact(name, find)).artifact];
  }
  if (ids !== "") return chooseByIds(ids, find);
  const pattern = getInput("pattern");
  if (pattern === "") {
    info("No input name, artifact-ids or pattern filtered specified, downloading all artifacts");
    if (!getBooleanInput("merge-multiple")) {
      info("An extra directory with the artifact name will be created for each download");
    }
  } else info(`Filtering artifacts by pattern '${pattern}'`);
  return selectArtifacts(pattern, find);
}

async function chooseByIds(given: string, find: FindOptions): Promise<readonly Artifact[]> {
  info("Downloading artifacts by ID");
  const texts = given
    .split(",")
    .map((id) => id.trim())
    .filter(Boolean);
  if (texts.length === 0) throw new Error("No valid artifact IDs provided in 'artifact-ids' input");
  const ids = texts.map((text) => {
    const id = Number.parseInt(text, 10);
    if (Number.isNaN(id)) throw new Error(`Invalid artifact ID: '${text}'. Must be a number.`);
    return id;
  });
  const found = (await selectArtifacts("", find)).filter(({ id }) => ids.includes(id));
  if (found.length === 0) throw new Error("None of the provided artifact IDs were found");
  const missing = ids.filter((id) => !found.some((artifact) => artifact.id === id));
  if (missing.length > 0) warning(`Could not find the following artifact IDs: ${missing.join(", ")}`);
  return found;
}

/** Of another run: with a token, through GitHub's API. */
function findOptions(): FindOptions {
  const token = getInput("github-token");
  if (token === "") return {};
  const [repositoryOwner, repositoryName] = getInput("repository").split("/");
  if (repositoryOwner === undefined || repositoryName === undefined || repositoryName === "") {
    throw new Error(`Invalid repository: '${getInput("repository")}'. Must be in format owner/repo`);
  }
  return { findBy: { token, workflowRunId: Number(getInput("run-id")), repositoryOwner, repositoryName } };
}

function tellMismatches(names: readonly string[], how: string): void {
  if (names.length === 0) return;
  if (how === "error") {
    throw new Error(
      `Digest validation failed for artifact(s): ${names.join(", ")}. Use 'digest-mismatch: warn' to continue on mismatch.`,
    );
  }
  for (const name of names) {
    const message = `Artifact '${name}' digest validation failed. Please verify the integrity of the artifact.`;
    if (how === "warn") warning(message);
    if (how === "info") info(message);
  }
}
