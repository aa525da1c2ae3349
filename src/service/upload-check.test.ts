/** Secrets in what jobs upload, at the HTTP door, searched for as the engine does (SECURITY-RELIABILITY A20). */
import { zstdCompressSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { Masker } from "../joblog/masker.ts";
import { zipOf } from "../lib/zip.fixture.ts";
import { ask, asJob, openDoor, putBlob, restoreCache, saveCache, someClaims } from "./service-door.fixture.ts";
import type { Door, JobDoor } from "./service-door.fixture.ts";
import type { SecretsInUploads } from "./upload-check.ts";

const SECRET = "ghs_0123456789abcdefghij";
const VERSION = "v".repeat(64);

let door: Door;
afterEach(() => door[Symbol.asyncDispose]());

async function jobWithSecret(secretsInUploads?: SecretsInUploads): Promise<JobDoor> {
  door = openDoor({}, secretsInUploads);
  const masker = new Masker();
  masker.addSecrets({ KEY: SECRET });
  return asJob(await door.attach(), someClaims({ startScan: () => masker.startScan() }));
}

interface Answer {
  readonly status: number;
  readonly json: {
    readonly msg?: string;
    readonly signed_upload_url?: string;
    readonly artifacts?: readonly { readonly name: string }[];
  };
}

async function call(job: JobDoor, method: string, message: object): Promise<Answer> {
  const { scp }: { scp: string } = JSON.parse(Buffer.from(job.token.split(".")[1] ?? "", "base64url").toString());
  const [, workflow_run_backend_id, workflow_job_run_backend_id] = scp.split(":");
  const { status, text } = await ask(`${job.origin}/twirp/github.actions.results.api.v1.ArtifactService/${method}`, {
    method: "POST",
    headers: { authorization: `Bearer ${job.token}`, "content-type": "application/json" },
    body: JSON.stringify({ workflow_run_backend_id, workflow_job_run_backend_id, ...message }),
  });
  return { status, json: JSON.parse(text) };
}

async function upload(job: JobDoor, name: string, content: Buffer): Promise<Answer> {
  const { json } = await call(job, "CreateArtifact", { name, version: 7 });
  await putBlob(json.signed_upload_url ?? "", content);
  return call(job, "FinalizeArtifact", { name, size: String(content.length) });
}

async function names(job: JobDoor): Promise<readonly string[]> {
  const { artifacts = [] } = (await call(job, "ListArtifacts", {})).json;
  return artifacts.map(({ name }) => name);
}

const basic = Buffer.from(`x-access-token:${SECRET}`).toString("base64");
const leaking = zipOf([
  { name: "README.md", content: "nothing" },
  { name: ".git/config", content: `[http "https://github.com/"]\n\textraheader = AUTHORIZATION: basic ${basic}\n` },
]);

describe("an artifact that holds a secret", () => {
  it("is refused with the path inside it and without the secret, and its name is free again", async () => {
    const job = await jobWithSecret();
    const { status, json } = await upload(job, "site", leaking);
    expect({ status, ...json }).toEqual({
      status: 412,
      code: "failed_precondition",
      msg: 'ARTIFACT_SECRET: ".git/config" in artifact "site" holds a secret or a token of this run; the artifact is not kept',
    });
    expect(await names(job)).toEqual([]);
    expect(await upload(job, "site", zipOf([{ name: "README.md", content: "nothing" }]))).toMatchObject({
      status: 200,
    });
    expect(await names(job)).toEqual(["site"]);
  });

  it("is refused when it is no archive, and names only itself", async () => {
    const job = await jobWithSecret();
    const { json } = await upload(job, "report.html", Buffer.from(`<p>${SECRET}</p>`));
    expect(json.msg).toMatch(/^ARTIFACT_SECRET: artifact "report.html" holds/);
  });

  it("is kept with a warning where the operator says so", async () => {
    const job = await jobWithSecret("warn");
    expect(await upload(job, "site", leaking)).toMatchObject({ status: 200 });
    expect(door.lines).toEqual([
      'warning: ARTIFACT_SECRET: ".git/config" in artifact "site" holds a secret or a token of this run; the artifact is kept, as HEARTH_SECRETS_IN_UPLOADS says',
    ]);
    expect(await names(job)).toEqual(["site"]);
  });

  it("shows no control characters of the path", async () => {
    const job = await jobWithSecret();
    const { json } = await upload(job, "a", zipOf([{ name: "a\u001b[2J\u009b\u202e\nb", content: SECRET }]));
    expect(json.msg).toMatch(/^[^\p{C}]*$/u);
    expect(json.msg).toContain("holds a secret");
  });
});

it("an artifact that is too large to be searched is kept, and that is said", async () => {
  const job = await jobWithSecret();
  const bomb = zipOf([{ name: "zeros", content: Buffer.alloc(300 << 20) }]);
  expect(await upload(job, "zeros", bomb)).toMatchObject({ status: 200 });
  expect(door.lines).toEqual([
    expect.stringMatching(/^warning: artifact "zeros" is kept and was not searched for secrets: .* would become/),
  ]);
});

describe("a cache that holds a secret", () => {
  const tar = zstdCompressSync(Buffer.from(`${"0".repeat(100_000)}${SECRET}`));

  it("is refused as clients understand it, and another may be saved under its key", async () => {
    const job = await jobWithSecret();
    const refused = 'CACHE_SECRET: cache "npm-1" holds a secret or a token of this run; the cache is not kept';
    await expect(saveCache(job, "npm-1", VERSION, tar)).rejects.toThrow(JSON.stringify(refused));
    expect(await restoreCache(job, "npm-1", VERSION)).toBeUndefined();
    await saveCache(job, "npm-1", VERSION, zstdCompressSync(Buffer.from("other")));
    expect(await restoreCache(job, "npm-1", VERSION)).toMatchObject({ key: "npm-1" });
  });

  it("is kept with a warning where the operator says so", async () => {
    const job = await jobWithSecret("warn");
    await saveCache(job, "npm-1", VERSION, tar);
    expect(door.lines).toEqual([expect.stringContaining('warning: CACHE_SECRET: cache "npm-1" holds')]);
    expect(await restoreCache(job, "npm-1", VERSION)).toMatchObject({ key: "npm-1" });
  });
});
