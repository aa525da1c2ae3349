import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadHearthSettings } from "./hearth-settings.ts";
import type { HearthHost } from "./hearth-settings.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hearth-test-file-"));
});
afterEach(async () => {
  await rm(root, { recursive: true });
});

const HOST: HearthHost = {
  provider: undefined,
  cpus: 4,
  memoryMib: 6144,
  arch: "X64",
  images: async () => [],
  variable: (name) => ({ HEARTH_SECRET_KEY: "from the variable", PATH: "/bin" })[name],
  takesNetwork: false,
};

async function load(text: string, host: Partial<HearthHost> = {}) {
  await writeFile(join(root, "hearth.yml"), text);
  return loadHearthSettings(root, { ...HOST, ...host });
}

describe("loadHearthSettings", () => {
  it("is what Hearth knows by itself where there is no file", async () => {
    const settings = await loadHearthSettings(root, HOST);
    expect(settings).toMatchObject({ vars: {}, secrets: {}, environments: {}, warnings: [] });
    expect(settings.runners(["ubuntu-latest"])).toMatchObject({ kind: "machine", machine: { image: undefined } });
  });

  it("takes the file's hosts where the operator says so, and elsewhere says how", async () => {
    const text = 'network: { allow: [a.example, "*.b.example:8443"] }';
    const refused = await load(text);
    expect(refused.network).toEqual([]);
    expect(refused.warnings).toMatchObject([
      { kind: "warning", key: "network", message: expect.stringContaining("--network repository") },
    ]);
    const taken = await load(text, { takesNetwork: true });
    expect(taken).toMatchObject({ network: ["a.example", "*.b.example:8443"], warnings: [] });
  });

  it("reads secrets from where the file says they are", async () => {
    await mkdir(join(root, "keys"));
    await writeFile(join(root, "keys", "deploy"), "line 1\nline 2\n");
    const settings = await load(`
secrets: { A: { env: HEARTH_SECRET_KEY } }
environments: { Production: { vars: { REGION: us }, secrets: { B: { file: keys/deploy } } } }
`);
    expect(settings.secrets).toEqual({ A: "from the variable" });
    expect(settings.environments["production"]).toEqual({
      vars: { REGION: "us" },
      secrets: { B: "line 1\nline 2" },
      warnings: [],
    });
  });

  it("leaves out a secret that is not there, with a warning that says where it was looked for", async () => {
    const settings = await load(`
secrets:
  A: { env: HEARTH_SECRET_NONE }
  B: { file: none }
  C: { file: . }
`);
    expect(settings.secrets).toEqual({});
    expect(settings.warnings.map(({ at, message }) => `${at?.line} ${message}`)).toEqual([
      "3 The secret A has no value: HEARTH_SECRET_NONE is not set",
      "4 The secret B has no value: none is not there",
      "5 The secret C has no value: . leads out of the repository",
    ]);
  });

  it("does not follow links out of the repository, nor waits for a pipe", async () => {
    await symlink("/etc/passwd", join(root, "link"));
    await symlink("/etc", join(root, "directory"));
    execFileSync("mkfifo", [join(root, "pipe")]);
    await writeFile(join(root, "large"), Buffer.alloc(48 * 1024 + 1));
    const settings = await load(
      "secrets: { A: { file: link }, B: { file: directory/passwd }, C: { file: pipe }, D: { file: large } }",
    );
    expect(settings.secrets).toEqual({});
    expect(settings.warnings.map(({ message }) => message)).toEqual([
      "The secret A has no value: link leads out of the repository",
      "The secret B has no value: directory/passwd leads out of the repository",
      "The secret C has no value: pipe is no regular file",
      "The secret D has no value: large is larger than 49152 bytes",
    ]);
  });

  it("refuses a file that is a link, a pipe or a directory, and one that cannot be meant, with every fault", async () => {
    const refused = expect.objectContaining({
      code: "BAD_CONFIG",
      message: expect.stringContaining("no regular file"),
    });
    const path = join(root, "hearth.yml");
    await symlink("/etc/passwd", path);
    await expect(loadHearthSettings(root, HOST)).rejects.toEqual(refused);
    await rm(path);
    execFileSync("mkfifo", [path]);
    await expect(loadHearthSettings(root, HOST)).rejects.toEqual(refused);
    await rm(path);
    await expect(load("a: 1\nb: 2")).rejects.toMatchObject({
      code: "BAD_CONFIG",
      message: expect.stringMatching(
        /Cannot use .*hearth\.yml:\nhearth\.yml:1:1: error: .*\nhearth\.yml:2:1: error: /u,
      ),
    });
  });

  describe("what a repository may not choose", () => {
    it("is provider host, unless the operator has", async () => {
      const text = "runs-on:\n  fast: { provider: host }";
      expect((await load(text)).runners(["fast"])).toEqual({
        kind: "unsupported",
        message:
          "The runner 'fast' is unsupported: a file of the repository cannot choose provider host, which isolates nothing; --provider host does (hearth.yml:2:3)",
      });
      expect((await load(text, { provider: "gvisor" })).runners(["fast"])).toMatchObject({ kind: "unsupported" });
      expect((await load(text, { provider: "host" })).runners(["fast"])).toMatchObject({
        kind: "machine",
        machine: { provider: "host" },
      });
    });

    it("is more of the host than there is", async () => {
      const { runners } = await load(`
runs-on:
  wide: { cpus: 5 }
  large: { memory: 6145 MiB }
  fitting: { cpus: 4, memory: 6 GiB }
`);
      expect(runners(["wide"])).toMatchObject({
        message: /asks for 5 cpus, and this host has 4 \(hearth\.yml:3:3\)$/u,
      });
      expect(runners(["large"])).toMatchObject({ message: /6145 MiB of memory, and this host can give 6144 MiB/u });
      expect(runners(["fitting"])).toMatchObject({ kind: "machine", machine: { cpus: 4, memoryMib: 6144 } });
    });
  });

  it("hands on the reason that the file gives", async () => {
    const { runners } = await load("runs-on: { gpu: { unsupported: the card is broken } }");
    expect(runners(["self-hosted", "gpu"])).toEqual({
      kind: "unsupported",
      message: "The runner 'gpu' is unsupported: the card is broken (hearth.yml:1:12)",
    });
  });
});
