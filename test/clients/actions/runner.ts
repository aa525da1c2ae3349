/** What the other packages ask of a runner: core, glob, github, tool-cache, http-client. */
import * as core from "@actions/core";
import * as github from "@actions/github";
import * as glob from "@actions/glob";
import { HttpClient } from "@actions/http-client";
import * as toolCache from "@actions/tool-cache";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

async function main(): Promise<void> {
  await identify();
  core.setOutput("hash", await glob.hashFiles(core.getInput("pattern")));
  const globber = await glob.create("**/*.txt\n!**/skipped.txt");
  core.setOutput("found", (await globber.glob()).length);

  await core.summary
    .addHeading("Clients")
    .addTable([["a", "b"]])
    .write();
  core.saveState("left", "kept");
  core.exportVariable("FROM_CLIENT", "line 1\nline 2");
  core.addPath("/from/client");
  core.setSecret("hide-me-please");
  core.info("CLIENT secret hide-me-please");
  core.notice("noted", { file: "a.txt", startLine: 1 });

  const { repo, sha, ref, runId } = github.context;
  assert.equal(sha, process.env["GITHUB_SHA"]);
  core.info(`CLIENT context ${repo.owner}/${repo.repo} ${ref} ${runId > 0}`);

  await useToolCache();
  const url = core.getInput("url");
  if (url !== "") core.setOutput("status", (await new HttpClient("clients").get(url)).message.statusCode);
}

async function identify(): Promise<void> {
  const [, payload = ""] = (await core.getIDToken("sts.example")).split(".");
  const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
  assert.ok(typeof claims === "object" && claims !== null && "sub" in claims && "aud" in claims);
  assert.equal(claims.aud, "sts.example");
  core.info(`CLIENT identity ${String(claims.sub)}`);
}

async function useToolCache(): Promise<void> {
  const made = join(process.env["RUNNER_TEMP"] ?? "", "made");
  await mkdir(made, { recursive: true });
  await writeFile(join(made, "tool.sh"), "echo tool\n");
  const cached = await toolCache.cacheDir(made, "client-tool", "1.2.3");
  assert.equal(toolCache.find("client-tool", "1.x"), cached);
  assert.ok(existsSync(`${cached}.complete`));
  const archive = join(made, "made.tar.gz");
  await core.group("tar", async () =>
    assert.ok(
      (await import("node:child_process")).spawnSync("tar", ["-czf", archive, "-C", made, "tool.sh"]).status === 0,
    ),
  );
  const extracted = await toolCache.extractTar(archive);
  assert.equal(await readFile(join(extracted, "tool.sh"), "utf8"), "echo tool\n");
}

main().catch((error: unknown) =>
  core.setFailed(error instanceof Error ? (error.stack ?? error.message) : String(error)),
);
