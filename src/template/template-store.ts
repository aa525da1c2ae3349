/**
 * The templates of this host: saved states of warmed machines, from which machines are copied. One directory each below
 * `<dataDir>/templates`, named for its key, whole or absent: it is filled elsewhere and renamed into place, under one lock of all
 * processes of this host, so that whoever comes at the same time finds it made. What is in it is the provider's; what made it is in the
 * key. A machine that cannot be saved is remembered as such, so that it is not tried again for each machine.
 *
 * A template that is held is not removed. Directories are 0700: a template is the memory of a machine.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readFile, readdir, rename, rm, stat, statfs, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { int, iso, literal, nullable, object, optional, record, safeParse, string } from "zod/mini";
import type { infer as Infer } from "zod/mini";
import { lockFile } from "../lib/file-lock.ts";
import { identifyProcess, isAlive } from "../lib/process-identity.ts";

/** All that a template depends on, by name: of whatever differs, the key does. `provider` and `image` are for who lists them. */
export interface TemplateParts {
  readonly provider: string;
  /** The image's digest. */
  readonly image: string;
  readonly [part: string]: string;
}

/** What a fill says of its directory. Any error it throws is passed on, and nothing is remembered. */
export type Filled = { readonly kind: "made" } | { readonly kind: "impossible"; readonly reason: string };

export interface ObtainOptions {
  readonly dataDir: string;
  readonly parts: TemplateParts;
  /** Makes the template's files in an empty directory; called while the lock is held. */
  readonly fill: (directory: string, signal: AbortSignal) => Promise<Filled>;
  /** What must be free on the disk before a template is made. */
  readonly roomBytes: number;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

export type Obtained = HeldTemplate | { readonly kind: "none"; readonly reason: string };

export interface HeldTemplate extends AsyncDisposable {
  readonly kind: "held";
  readonly directory: string;
  /** It was made just now: a good time to prune. */
  readonly isNew: boolean;
  /** Removes a template that turned out to be of no use; the next who wants one makes it anew. */
  discard(): Promise<void>;
}

export interface Template {
  readonly key: string;
  readonly parts: TemplateParts;
  /** Set where the machine cannot be saved. */
  readonly impossible: string | undefined;
  readonly madeAt: Date;
  readonly usedAt: Date;
  /** Of the blocks on the disk: the files are sparse. */
  readonly sizeBytes: number;
  readonly inUse: boolean;
}

const MANIFEST = "template.json";
const BUILDING = ".building-";
const REMOVING = ".removing-";
const HOLD = "held-";
const LOCK = ".lock";

/**
 * The template of these parts, made when there is none yet; `none` with the reason when there can be none. Throws what `fill`
 * throws, or the signal's reason. Any number at once, in any number of processes: one of them makes it.
 */
export async function obtainTemplate(options: ObtainOptions): Promise<Obtained> {
  const { dataDir, parts, progress, signal } = options;
  signal.throwIfAborted();
  const directory = join(templatesDirectory(dataDir), keyOf(parts));
  const found = await hold(dataDir, directory);
  if (found !== undefined) return found;
  const onWait = (): void => progress("machine: waiting for another that is being made a template");
  return await locked(
    dataDir,
    async () => (await hold(dataDir, directory)) ?? (await make(directory, options)),
    signal,
    onWait,
  );
}

/** Most recently used first. */
export async function listTemplates(dataDir: string): Promise<readonly Template[]> {
  const names = (await namesIn(templatesDirectory(dataDir))).filter((name) => !name.startsWith("."));
  const templates = await Promise.all(names.map((name) => describe(templatesDirectory(dataDir), name)));
  return templates
    .filter((template) => template !== undefined)
    .toSorted((a, b) => b.usedAt.getTime() - a.usedAt.getTime());
}

export interface PruneOptions {
  /** Only its templates are looked at. */
  readonly provider: string;
  readonly isWanted: (template: Template) => boolean;
  /** Of the wanted ones, those used last. */
  readonly keep: number;
  readonly signal: AbortSignal;
}

/** Removes what is not to be kept, but nothing that is in use, and what killed processes left. Returns what is gone. */
export async function pruneTemplates(dataDir: string, options: PruneOptions): Promise<readonly Template[]> {
  const { provider, isWanted, keep, signal } = options;
  return await locked(
    dataDir,
    async () => {
      await sweep(dataDir);
      const all = (await listTemplates(dataDir)).filter(({ parts }) => parts.provider === provider);
      const kept = new Set(all.filter(isWanted).slice(0, keep));
      const removed: Template[] = [];
      for (const template of all.filter((one) => !kept.has(one))) {
        if (await remove(join(templatesDirectory(dataDir), template.key))) removed.push(template);
      }
      return removed;
    },
    signal,
  );
}

export function keyOf(parts: TemplateParts): string {
  const ordered = Object.entries(parts).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(ordered)).digest("hex").slice(0, 32);
}

function templatesDirectory(dataDir: string): string {
  return join(dataDir, "templates");
}

async function locked<T>(
  dataDir: string,
  work: () => Promise<T>,
  signal: AbortSignal,
  onWait: () => void = () => undefined,
): Promise<T> {
  await mkdir(templatesDirectory(dataDir), { recursive: true, mode: 0o700 });
  const lock = await lockFile(join(templatesDirectory(dataDir), LOCK), onWait, signal);
  try {
    return await work();
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

/** Under the lock. */
async function make(directory: string, options: ObtainOptions): Promise<Obtained> {
  const { dataDir, parts, fill, roomBytes, progress, signal } = options;
  await sweep(dataDir);
  const { bavail, bsize } = await statfs(templatesDirectory(dataDir));
  if (bavail * bsize < roomBytes) {
    return {
      kind: "none",
      reason: `${Math.ceil(roomBytes / 2 ** 20)} MiB must be free in ${templatesDirectory(dataDir)}`,
    };
  }
  progress("machine: making a template, once");
  const building = await mkdtemp(join(templatesDirectory(dataDir), BUILDING));
  try {
    const filled = await fill(building, signal);
    const impossible = filled.kind === "impossible" ? filled.reason : null;
    await writeManifest(building, { format: 1, parts, impossible, madeAt: new Date().toISOString() });
    // What stands there is damaged, or it would have been found.
    await rm(directory, { recursive: true, force: true });
    await rename(building, directory);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  const held = await hold(dataDir, directory, true);
  if (held === undefined) throw new Error(`The template ${directory} is gone as soon as it was made`);
  return held;
}

let holds = 0;

/** Undefined when there is no such template. */
async function hold(dataDir: string, directory: string, isNew = false): Promise<Obtained | undefined> {
  const mark = join(directory, `${HOLD}${process.pid}-${++holds}`);
  try {
    const manifest = await readManifest(directory);
    if (manifest === undefined) return undefined;
    if (typeof manifest.impossible === "string") return { kind: "none", reason: manifest.impossible };
    await writeFile(mark, JSON.stringify(identifyProcess(process.pid)), { mode: 0o600 });
    // Who removes it looks for marks after it has put it aside: one of the two sees the other.
    await utimes(join(directory, MANIFEST), new Date(), new Date());
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return {
    kind: "held",
    directory,
    isNew,
    discard: async () => {
      await rm(mark, { force: true });
      await locked(dataDir, () => remove(directory), new AbortController().signal);
    },
    [Symbol.asyncDispose]: () => rm(mark, { force: true }),
  };
}

/** Puts it aside first, so that it is whole or absent for everybody. False when it is in use, and then it stays. */
async function remove(directory: string): Promise<boolean> {
  const aside = join(directory, "..", `${REMOVING}${randomUUID()}`);
  try {
    await rename(directory, aside);
  } catch (error) {
    if (isMissing(error)) return true;
    throw error;
  }
  if (await isHeld(aside)) {
    await rename(aside, directory);
    return false;
  }
  await rm(aside, { recursive: true, force: true });
  return true;
}

/** What processes that were killed have left. Under the lock: nobody else builds or removes. */
async function sweep(dataDir: string): Promise<void> {
  const names = await namesIn(templatesDirectory(dataDir));
  for (const name of names.filter((one) => one.startsWith(BUILDING) || one.startsWith(REMOVING))) {
    await rm(join(templatesDirectory(dataDir), name), { recursive: true, force: true });
  }
}

async function isHeld(directory: string): Promise<boolean> {
  const marks = (await namesIn(directory)).filter((name) => name.startsWith(HOLD));
  const alive = await Promise.all(
    marks.map(async (name) => {
      const owner = safeParse(Owner, parseJson(await readText(join(directory, name))));
      if (!owner.success) return false;
      const { pid, bootId, startTicks } = owner.data;
      return isAlive({ pid, bootId, startTicks });
    }),
  );
  return alive.includes(true);
}

const Owner = object({ pid: int(), bootId: optional(string()), startTicks: optional(string()) });

const Manifest = object({
  format: literal(1),
  parts: record(string(), string()),
  impossible: nullable(string()),
  madeAt: iso.datetime(),
});
type Manifest = Infer<typeof Manifest>;

async function writeManifest(directory: string, manifest: Manifest): Promise<void> {
  await writeFile(join(directory, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });
}

/** Undefined when it is damaged, or of another version of Hearth. */
async function readManifest(directory: string): Promise<Manifest | undefined> {
  const manifest = safeParse(Manifest, parseJson(await readText(join(directory, MANIFEST))));
  return manifest.success ? manifest.data : undefined;
}

async function describe(parent: string, key: string): Promise<Template | undefined> {
  const directory = join(parent, key);
  const manifest = await readManifest(directory).catch(() => undefined);
  const { provider, image } = manifest?.parts ?? {};
  if (manifest === undefined || provider === undefined || image === undefined) return undefined;
  const files = await Promise.all((await namesIn(directory)).map((name) => stat(join(directory, name))));
  return {
    key,
    parts: { ...manifest.parts, provider, image },
    impossible: manifest.impossible ?? undefined,
    madeAt: new Date(manifest.madeAt),
    usedAt: (await stat(join(directory, MANIFEST))).mtime,
    sizeBytes: files.reduce((sum, { blocks }) => sum + blocks * 512, 0),
    inUse: await isHeld(directory),
  };
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Throws Node's ENOENT where there is none. */
async function readText(path: string): Promise<string> {
  return readFile(path, "utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Half written: what the schema then says.
    return undefined;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
