/**
 * Where packages come from: the host's own apt settings, so that an image can be built where only a company's mirror is
 * reachable. Entries for the host's own Debian release are taken over for the image's; others (vendors' repositories) are left
 * out. A host that is not Debian, or names no such entry, gets deb.debian.org.
 * Source: sources.list(5), both formats; apt-transport-mirror(1).
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "../lib/run-command.ts";

interface AptEntry {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** Path, fingerprint, or an embedded key with its continuation lines. */
  readonly signedBy: string | undefined;
}

/** Stanzas in deb822 format for `suite`. */
export async function aptSources(etcApt: string, osRelease: string, suite: string): Promise<string> {
  const codename = /^ID="?debian"?$/m.test(osRelease)
    ? /^VERSION_CODENAME="?(\w+)"?$/m.exec(osRelease)?.[1]
    : undefined;
  const entries = codename === undefined ? [] : debianEntries(await readEntries(etcApt), codename, suite);
  const expanded = await Promise.all(entries.map(expandMirrorLists));
  return (expanded.length === 0 ? publicEntries(suite) : expanded).map(formatEntry).join("\n");
}

/** `Acquire` settings of the host that decide how a mirror is reached: proxies, and certificates for https. */
export async function aptAcquireOptions(): Promise<readonly string[]> {
  const { stdout } = await runCommand(["apt-config", "dump", "--no-empty"]).catch(ifMissing({ stdout: "" }));
  return stdout.split("\n").filter((line) => /^Acquire::[^ ]*(proxy|cainfo|capath|sslcert|sslkey)/i.test(line));
}

/** Both formats, whichever a file is in. Source packages and disabled entries are left out. */
function parseEntries(text: string): readonly AptEntry[] {
  const oneLine = text.split("\n").some((line) => /^deb(-src)?\s/.test(line));
  return oneLine ? text.split("\n").flatMap(parseLine) : text.split(/\n\s*\n/).flatMap(parseStanza);
}

/** Entries for `codename` and its updates and security, readdressed to `suite`. */
function debianEntries(entries: readonly AptEntry[], codename: string, suite: string): readonly AptEntry[] {
  const own = new Set([codename, `${codename}-updates`, `${codename}-security`]);
  return entries.flatMap((entry) => {
    const suites = entry.suites.filter((name) => own.has(name)).map((name) => name.replace(codename, suite));
    if (suites.length === 0 || !entry.components.includes("main")) return [];
    return [{ ...entry, suites, components: ["main"] }];
  });
}

async function readEntries(etcApt: string): Promise<readonly AptEntry[]> {
  const parts = join(etcApt, "sources.list.d");
  const names = await readdir(parts).catch(ifMissing<string[]>([]));
  const paths = names.toSorted().filter((name) => /\.(list|sources)$/.test(name));
  const files = [join(etcApt, "sources.list"), ...paths.map((name) => join(parts, name))];
  const texts = await Promise.all(files.map((path) => readFile(path, "utf8").catch(ifMissing(""))));
  return texts.flatMap(parseEntries);
}

function parseLine(line: string): readonly AptEntry[] {
  const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line.trim());
  if (match === null) return [];
  const [, options = "", uri = "", suite = "", components = ""] = match;
  return [
    { uris: [uri], suites: [suite], components: words(components), signedBy: /signed-by=(\S+)/.exec(options)?.[1] },
  ];
}

function parseStanza(stanza: string): readonly AptEntry[] {
  const fields = new Map<string, string>();
  let key = "";
  for (const line of stanza.split("\n").filter((text) => !text.startsWith("#"))) {
    const start = /^([A-Za-z-]+):[ \t]*(.*)$/.exec(line);
    if (start === null) fields.set(key, `${fields.get(key) ?? ""}\n${line}`);
    else fields.set((key = (start[1] ?? "").toLowerCase()), start[2] ?? "");
  }
  if (!words(fields.get("types") ?? "").includes("deb") || fields.get("enabled")?.trim() === "no") return [];
  const list = (name: string) => words(fields.get(name) ?? "");
  return [
    {
      uris: list("uris"),
      suites: list("suites"),
      components: list("components"),
      signedBy: fields.get("signed-by")?.trimEnd(),
    },
  ];
}

/** Debian's cloud images name a file of mirrors; the guest has no such file, so its lines take its place. */
async function expandMirrorLists(entry: AptEntry): Promise<AptEntry> {
  const uris = await Promise.all(
    entry.uris.map(async (uri) => {
      const path = /^mirror\+file:(?:\/\/)?(\/.*)$/.exec(uri)?.[1];
      if (path === undefined) return [uri];
      const text = await readFile(path, "utf8");
      return text.split("\n").flatMap((line) => words(line.replace(/#.*/, "")).slice(0, 1));
    }),
  );
  return { ...entry, uris: uris.flat() };
}

function publicEntries(suite: string): readonly AptEntry[] {
  const common = { components: ["main"], signedBy: "/usr/share/keyrings/debian-archive-keyring.gpg" };
  return [
    { ...common, uris: ["http://deb.debian.org/debian"], suites: [suite, `${suite}-updates`] },
    { ...common, uris: ["http://deb.debian.org/debian-security"], suites: [`${suite}-security`] },
  ];
}

function formatEntry(entry: AptEntry): string {
  const { uris, suites, components, signedBy } = entry;
  const stanza = `Types: deb\nURIs: ${uris.join(" ")}\nSuites: ${suites.join(" ")}\nComponents: ${components.join(" ")}\n`;
  return signedBy === undefined ? stanza : `${stanza}Signed-By: ${signedBy}\n`;
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

function ifMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return value;
    throw error;
  };
}
