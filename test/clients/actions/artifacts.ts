/** Uploads and downloads: `@actions/artifact` as `actions/upload-artifact` and `download-artifact` use it. */
import { DefaultArtifactClient } from "@actions/artifact";
import * as core from "@actions/core";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const client = new DefaultArtifactClient();
const MANY = 1_000;

const parts: { readonly [part: string]: () => Promise<void> } = {
  /** A thousand small files, a large one, one as it is, names of all kinds. */
  async upload() {
    const root = await scratch();
    const small = Array.from({ length: MANY }, (_, index) =>
      join(root, "small", `d${index % 10}`, `file ${index}.txt`),
    );
    for (const path of small) await put(path, Buffer.from(path));
    const many = await client.uploadArtifact("many", small, root);
    assert.ok((many.size ?? 0) > 0 && (many.id ?? 0) > 0);

    const big = join(root, "big.bin");
    const megabytes = Number(core.getInput("megabytes"));
    await put(big, randomBytes(megabytes << 20));
    const startedAt = performance.now();
    await client.uploadArtifact("big", [big], root, { compressionLevel: 0 });
    const seconds = (performance.now() - startedAt) / 1000;
    core.info(`CLIENT artifact of ${megabytes} MiB: uploaded at ${(megabytes / seconds).toFixed(0)} MiB/s`);

    const report = join(root, "ré port.html");
    await put(report, Buffer.from("<p>report</p>"));
    await client.uploadArtifact("", [report], root, { skipArchive: true, retentionDays: 1 });
    await client.uploadArtifact("ünï ☃", [report], root);

    await assert.rejects(client.uploadArtifact("many", small.slice(0, 1), root), /409/);
    const { artifacts } = await client.listArtifacts();
    assert.deepEqual(artifacts.map(({ name }) => name).toSorted(), ["big", "many", "ré port.html", "ünï ☃"].toSorted());
  },

  /** In another job of the run: everything is there, whole. */
  async download() {
    const root = await scratch();
    const { artifacts } = await client.listArtifacts({ latest: true });
    for (const { name, id, digest } of artifacts) {
      const path = join(root, name);
      const startedAt = performance.now();
      const done = await client.downloadArtifact(id, {
        path,
        ...(digest === undefined ? {} : { expectedHash: digest }),
      });
      assert.equal(done.digestMismatch, false, name);
      const megabytes = Number(core.getInput("megabytes"));
      const seconds = (performance.now() - startedAt) / 1000;
      if (name === "big")
        core.info(`CLIENT artifact of ${megabytes} MiB: downloaded at ${(megabytes / seconds).toFixed(0)} MiB/s`);
    }
    const many = await readdir(join(root, "many"), { recursive: true, withFileTypes: true });
    assert.equal(many.filter((entry) => entry.isFile()).length, MANY);
    assert.equal(await readFile(join(root, "ré port.html", "ré port.html"), "utf8"), "<p>report</p>");
    const first = await client.getArtifact("big");
    await client.deleteArtifact("big");
    await assert.rejects(client.getArtifact("big"), /not found/i);
    await put(join(root, "again"), Buffer.from("again"));
    const again = await client.uploadArtifact("big", [join(root, "again")], root);
    assert.ok((again.id ?? 0) > first.artifact.id, "ids are never used again");
  },

  /** What a checkout leaves behind: fails as any upload that is refused. */
  async leak() {
    const root = await scratch();
    await put(join(root, "README.md"), randomBytes(3 << 20));
    const basic = Buffer.from(`x-access-token:${core.getInput("token")}`).toString("base64");
    await put(join(root, ".git", "config"), Buffer.from(`[http]\n\textraheader = AUTHORIZATION: basic ${basic}\n`));
    const files = [join(root, "README.md"), join(root, ".git", "config")];
    await client.uploadArtifact("leak", files, root);
  },

  /** As eight jobs that end at the same time. */
  async concurrent() {
    const root = await scratch();
    const files = Array.from({ length: 8 }, (_, index) => join(root, `part-${index}`));
    for (const file of files) await put(file, randomBytes(12 << 20));
    const uploads = files.map((file, index) =>
      client.uploadArtifact(`part-${index}`, [file], root, { compressionLevel: 0 }),
    );
    const ids = (await Promise.all(uploads)).map(({ id }) => id);
    assert.equal(new Set(ids).size, 8);
    for (const [index, file] of files.entries()) {
      const path = join(root, "out", String(index));
      const { artifact } = await client.getArtifact(`part-${index}`);
      await client.downloadArtifact(artifact.id, { path });
      assert.ok((await readFile(join(path, `part-${index}`))).equals(await readFile(file)));
    }
  },
};

async function scratch(): Promise<string> {
  return mkdtemp(join(process.env["RUNNER_TEMP"] ?? tmpdir(), "artifacts-"));
}

async function put(path: string, content: Buffer): Promise<void> {
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, content);
}

async function main(): Promise<void> {
  const part = parts[core.getInput("part")];
  if (part === undefined) throw new Error("no such part");
  await part();
}

main().catch((error: unknown) =>
  core.setFailed(error instanceof Error ? (error.stack ?? error.message) : String(error)),
);
