import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EngineError } from "../lib/engine-error.ts";
import { fakePrograms } from "../lib/fake-programs.fixture.ts";
import { buildImage } from "./build-image.ts";
import { defaultDefinition } from "./definition.ts";
import { imagesDirectory, listImages } from "./image-store.ts";

let dataDir = "";
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "hearth-test-build-"));
});
afterEach(async () => rm(dataDir, { recursive: true }));

/** The last two arguments are target and `-`; as an ordinary user the target is an archive. Sources come on stdin. */
const MMDEBSTRAP = `
for target in "$@"; do [ "$target" = - ] && break; last="$target"; done
cat > "$(dirname "$0")/sources"
printf '%s\\n' "$@" > "$(dirname "$0")/arguments"
echo "I: extracting archives..." >&2
work="$(mktemp -d)"; mkdir "$work/etc"; echo made > "$work/etc/mark"
case "$last" in *.tar) tar --create --file="$last" --directory="$work" .;; *) mkdir -p "$last"; cp -r "$work/." "$last";; esac
rm -r "$work"`;
const NPM = `
work="$(mktemp -d)"; mkdir -p "$work/package/bin"; echo x > "$work/package/bin/node"; echo x > "$work/package/LICENSE"
tar --create --gzip --file="$(echo "$2" | tr @ -).tgz" --directory="$work" package; rm -r "$work"
echo "$(echo "$2" | tr @ -).tgz"`;
const TOOLS = {
  mmdebstrap: MMDEBSTRAP,
  npm: NPM,
  "apt-config": `echo 'Acquire::http::Proxy "http://proxy.example:3142";'; echo 'Acquire::Retries "3";'`,
  // What runs in a user namespace runs as it is: these tests are about the steps, not about owners.
  unshare: 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
};

const build = async (signal = new AbortController().signal, progress: (line: string) => void = () => undefined) =>
  buildImage(defaultDefinition, { dataDir, progress, signal });
const leftInImages = async () => (await readdir(imagesDirectory(dataDir))).filter((name) => name !== ".lock");

describe("buildImage", () => {
  it("makes the tree and the externals, once", async () => {
    await using programs = await fakePrograms(TOOLS);
    const lines: string[] = [];
    const image = await build(undefined, (line) => lines.push(line));
    expect(await readFile(join(image.rootfs, "etc/mark"), "utf8")).toBe("made\n");
    expect(await readdir(join(image.externals, "node24/bin"))).toEqual(["node", "npm", "npx"]);
    expect(lines).toContain("extracting archives...");
    expect(await leftInImages()).toEqual([`hearth-${image.digest.slice(0, 12)}`]);

    await rm(join(programs.directory, "arguments"));
    expect(await build()).toEqual(image);
    expect(await readdir(programs.directory)).not.toContain("arguments");
  });

  it("reaches mirrors as the host's apt does", async () => {
    await using programs = await fakePrograms(TOOLS);
    await build();
    const passed = await readFile(join(programs.directory, "arguments"), "utf8");
    expect(passed).toContain('--aptopt=Acquire::http::Proxy "http://proxy.example:3142";\n');
    expect(passed).not.toContain("Retries");
    expect(await readFile(join(programs.directory, "sources"), "utf8")).toContain("Types: deb\n");
  });

  it("builds once when two ask at the same time", async () => {
    await using programs = await fakePrograms({
      ...TOOLS,
      mmdebstrap: `echo run >> "$(dirname "$0")/runs"\n${MMDEBSTRAP}`,
    });
    const [one, other] = await Promise.all([build(), build()]);
    expect(one).toEqual(other);
    expect(await readFile(join(programs.directory, "runs"), "utf8")).toBe("run\n");
  });

  it("says which tool failed, with its last words, and leaves nothing", async () => {
    await using _ = await fakePrograms({ ...TOOLS, mmdebstrap: 'echo "E: no mirror" >&2; exit 1' });
    const failed = build();
    await expect(failed).rejects.toBeInstanceOf(EngineError);
    await expect(failed).rejects.toMatchObject({
      code: "IMAGE_BUILD_FAILED",
      message: expect.stringMatching(/mmdebstrap failed[^]*no mirror/),
    });
    expect(await leftInImages()).toEqual([]);
  });

  it("leaves nothing when npm fails while mmdebstrap still works", async () => {
    await using _ = await fakePrograms({ ...TOOLS, mmdebstrap: "exec sleep 1000", npm: "exit 1" });
    await expect(build()).rejects.toMatchObject({ message: expect.stringContaining("npm failed") });
    expect(await leftInImages()).toEqual([]);
  });

  it("stops at once when aborted and leaves nothing", async () => {
    await using _ = await fakePrograms({ ...TOOLS, mmdebstrap: "echo 'I: started' >&2; exec sleep 1000" });
    const controller = new AbortController();
    const reason = new Error("stop");
    const onLine = (line: string) => {
      if (line === "started") controller.abort(reason);
    };
    await expect(build(controller.signal, onLine)).rejects.toBe(reason);
    expect(await leftInImages()).toEqual([]);
    expect(await listImages(dataDir)).toEqual([]);
  });

  it("clears away what a killed build or removal left", async () => {
    await using _ = await fakePrograms(TOOLS);
    const image = await build();
    await rm(join(image.directory, "image.json"));
    await mkdir(join(imagesDirectory(dataDir), ".building-99/rootfs"), { recursive: true });
    expect((await build()).directory).toBe(image.directory);
    expect(await leftInImages()).toEqual([`hearth-${image.digest.slice(0, 12)}`]);
  });
});
