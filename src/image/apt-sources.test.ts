import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { aptSources } from "./apt-sources.ts";

const BOOKWORM = "ID=debian\nVERSION_CODENAME=bookworm\n";
let etcApt = "";

beforeEach(async () => {
  etcApt = await mkdtemp(join(tmpdir(), "hearth-test-apt-"));
  await mkdir(join(etcApt, "sources.list.d"));
});
afterEach(async () => rm(etcApt, { recursive: true }));

const write = async (name: string, text: string) => writeFile(join(etcApt, name), text);

describe("aptSources", () => {
  it("takes over the host's mirror and its key, and leaves vendors out", async () => {
    await write(
      "sources.list.d/debian.sources",
      `# Mirror of the house
Types: deb deb-src
URIs: https://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/house.gpg

Types: deb
URIs: https://mirror.example/debian-security
Suites: bookworm-security
Components: main
Enabled: no
`,
    );
    await write("sources.list.d/vendor.list", "deb [signed-by=/k.gpg] https://vendor.example/apt stable main\n");
    await write("sources.list.d/docker.list", "deb https://download.docker.example/linux bookworm stable\n");
    await write("sources.list.d/old.list.save", "deb http://old.example/debian bookworm main\n");
    expect(await aptSources(etcApt, BOOKWORM, "bookworm")).toBe(
      `Types: deb
URIs: https://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/house.gpg
`,
    );
  });

  it("reads one-line entries, and asks the host's mirror for the image's own release", async () => {
    await write(
      "sources.list",
      `deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian trixie main non-free # house
deb-src http://mirror.example/debian trixie main
# deb http://commented.example/debian trixie main
deb http://mirror.example/debian-security trixie-security main
`,
    );
    const trixie = 'ID="debian"\nVERSION_CODENAME="trixie"\n';
    expect(await aptSources(etcApt, trixie, "bookworm")).toBe(
      `Types: deb
URIs: http://mirror.example/debian
Suites: bookworm
Components: main
Signed-By: /k.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
`,
    );
  });

  it("keeps a key that stands in the file itself", async () => {
    const key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----";
    const stanza = `Types: deb\nURIs: http://m.example/debian\nSuites: bookworm\nComponents: main\nSigned-By:${key}\n`;
    await write("sources.list.d/debian.sources", stanza);
    expect(await aptSources(etcApt, BOOKWORM, "bookworm")).toContain(key);
  });

  it("puts the lines of a mirror list in its place, as cloud images have one", async () => {
    const list = join(etcApt, "mirrors.list");
    await write("mirrors.list", "https://cloud.example/debian\tpriority:1\n# none\n");
    const stanza = `Types: deb\nURIs: mirror+file://${list}\nSuites: bookworm\nComponents: main\n`;
    await write("sources.list.d/debian.sources", stanza);
    expect(await aptSources(etcApt, BOOKWORM, "bookworm")).toContain("URIs: https://cloud.example/debian\n");
  });

  it.each([
    ["a host without entries", BOOKWORM],
    ["a host that is not Debian", "ID=fedora\nVERSION_CODENAME=bookworm\n"],
  ])("falls back to Debian's public mirror on %s", async (_, osRelease) => {
    const sources = await aptSources(join(etcApt, "nothing"), osRelease, "bookworm");
    expect(sources).toContain("URIs: http://deb.debian.org/debian\nSuites: bookworm bookworm-updates\n");
    expect(sources).toContain("Suites: bookworm-security\n");
  });
});
