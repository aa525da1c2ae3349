/**
 * What is left of a server's database when its host loses power (SECURITY-RELIABILITY F17): `hearth serve` is recorded while it takes
 * deliveries (`disk-record.ts`), the record is played to a disk that forgets what was not synced (`forgetful-disk.ts`), and at each of
 * many cuts the server's store is opened on what that disk still has.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { EngineError } from "../src/lib/engine-error.ts";
import { openServerStore, SERVER_DATABASE } from "../src/server/sqlite-server-store.ts";
import { readDiskRecord, recordingTo } from "./disk-record.ts";
import type { DiskRecord } from "./disk-record.ts";
import { createForgetfulDisk } from "./forgetful-disk.ts";
import type { Sandbox } from "./run-hearth.ts";
import { deliver } from "./running-server.ts";
import { randomFrom } from "./seeded-random.ts";
import { serveTraced, stateOf } from "./traced-server.ts";

export interface RecordedServer {
  readonly records: readonly DiskRecord[];
  /** What was sent and answered with 202, by the ids that the server answered with. */
  readonly deliveries: ReadonlyMap<number, SentDelivery>;
}

export interface SentDelivery {
  readonly guid: string;
  readonly body: string;
}

/**
 * Two servers one after the other on one state directory, each stopped as a service is. The first is sent one delivery at a time, the
 * second several at once, and enough for SQLite to move its log into the database (1000 pages) while it takes more.
 */
export async function recordServers(box: Sandbox): Promise<RecordedServer> {
  const trace = join(box.directory, "trace");
  const sent = new Map<string, string>();
  await recordOne(box, trace, async (url) => {
    for (let number = 1; number <= 24; number += 1) await send(url, `one-${number}`, sent);
  });
  await recordOne(box, trace, async (url) => {
    for (let number = 1; number <= 24; number += 1) {
      const guids = ["a", "b", "c"].map((letter) => `together-${number}-${letter}`);
      await Promise.all(guids.map((guid) => send(url, guid, sent)));
    }
  });
  const directory = join(stateOf(box), "server");
  const records = readDiskRecord(trace, directory);
  requireWhole(records, directory);
  const deliveries = new Map<number, SentDelivery>();
  using store = openServerStore(directory, CLOCK);
  for (const [guid, body] of sent) deliveries.set(store.deliveries.find(guid)?.id ?? 0, { guid, body });
  const answered = new Set(records.flatMap((record) => (record.kind === "answer" ? [record.delivery] : [])));
  const unrecorded = [...deliveries.keys()].filter((id) => !answered.has(id));
  if (unrecorded.length > 0 || answered.size !== sent.size) throw new Error("the record has not every answer");
  return { records, deliveries };
}

/** Throws where the record does not lead to the files that are there. */
function requireWhole(records: readonly DiskRecord[], directory: string): void {
  const disk = createForgetfulDisk();
  for (const record of records) disk.apply(record);
  const everything = 1 - 2 ** -32;
  const kept = disk.afterCut(() => everything);
  const names = readdirSync(directory);
  const isWhole =
    names.length === kept.size && names.every((name) => kept.get(name)?.equals(readFileSync(join(directory, name))));
  if (!isWhole) throw new Error(`the record leads to ${[...kept.keys()].join(", ")}; there are ${names.join(", ")}`);
}

async function recordOne(box: Sandbox, trace: string, work: (url: string) => Promise<void>): Promise<void> {
  using server = await serveTraced(box, recordingTo(trace));
  if (server.url === undefined) throw new Error(`it ended: ${await server.stderr}`);
  await work(server.url);
  server.stop();
  const code = await server.ended;
  if (code !== 0) throw new Error(`it ended with ${code}: ${await server.stderr}`);
}

/** Starts nothing, and is settled at once; two of the same content would be one. Two of three are of many pages. */
async function send(url: string, guid: string, sent: Map<string, string>): Promise<void> {
  const filler = guid.repeat(sent.size % 3 === 0 ? 20 : 8_000);
  const payload = { action: "created", sender: { login: guid, filler }, repository: { full_name: "octo-org/hello" } };
  sent.set(guid, JSON.stringify(payload));
  const status = await deliver({ url }, "star", payload, { guid });
  if (status !== 202) throw new Error(`${guid} was answered ${status}`);
}

/**
 * Which syncs the disk hears of: those of the server; those that SQLite makes with synchronous=NORMAL, which leaves out the one at each
 * commit; those of files, with none of directories; none.
 */
export type HeardSyncs = "all" | "normal" | "files" | "none";

export interface AfterCuts {
  readonly cuts: number;
  /** Answered with 202 before a cut, added up over all cuts. */
  readonly acknowledged: number;
  /** Of those: not in the store that was opened after the cut, or with another body. */
  readonly lost: readonly string[];
  /** Stores that could not be opened, or whose database is not whole. */
  readonly damaged: readonly string[];
  /** Stores that do not keep the next delivery. */
  readonly stuck: readonly string[];
}

export interface CutOptions {
  /** Half of them right after an answer of 202, the others anywhere. */
  readonly cuts: number;
  readonly seed: number;
  readonly syncs?: HeardSyncs;
}

export function cutPower(
  box: Sandbox,
  { records, deliveries }: RecordedServer,
  { cuts, seed, syncs = "all" }: CutOptions,
): AfterCuts {
  const random = randomFrom(seed);
  const any = (most: number): number => Math.floor(random() * most);
  const answers = records.flatMap((record, index) => (record.kind === "answer" ? [index + 1] : []));
  const moments = Array.from({ length: cuts }, (_, index) =>
    index % 2 === 0 ? (answers[any(answers.length)] ?? 0) : any(records.length + 1),
  );
  const heard = hearing(records, syncs);
  const disk = createForgetfulDisk();
  const acknowledged: SentDelivery[] = [];
  const found = { acknowledged: 0, lost: [] as string[], damaged: [] as string[], stuck: [] as string[] };
  let played = 0;
  for (const moment of moments.toSorted((a, b) => a - b)) {
    for (const [index, record] of records.slice(played, moment).entries()) {
      if (heard(played + index)) disk.apply(record);
      const delivery = record.kind === "answer" ? deliveries.get(record.delivery) : undefined;
      if (delivery !== undefined) acknowledged.push(delivery);
    }
    played = moment;
    found.acknowledged += acknowledged.length;
    const directory = mkdtempSync(join(box.temporary, "cut-"));
    for (const [name, bytes] of disk.afterCut(random)) writeFileSync(join(directory, name), bytes);
    // What the page cache had of it may be there too: it says nothing to the next process.
    if (random() < 0.5) writeFileSync(join(directory, `${SERVER_DATABASE}-shm`), randomBytes(32_768, random));
    const store = storeAfter(directory, acknowledged);
    const at = (what: string): string => `after record ${moment} of ${records.length}: ${what}`;
    found.lost.push(...store.lost.map(at));
    found.damaged.push(...store.damaged.map(at));
    found.stuck.push(...store.stuck.map(at));
    rmSync(directory, { recursive: true });
  }
  return { cuts, ...found };
}

/** As the server that is started again: what it finds, whether it is whole, and whether it goes on. */
function storeAfter(
  directory: string,
  acknowledged: readonly SentDelivery[],
): Pick<AfterCuts, "lost" | "damaged" | "stuck"> {
  const next = { guid: "next", event: "star", repository: "octo-org/hello", identity: undefined, body: "{}" };
  try {
    const lost = missing(directory, acknowledged, (store) => store.deliveries.accept({ ...next, source: "webhook" }));
    using database = new DatabaseSync(join(directory, SERVER_DATABASE));
    const checks = ["PRAGMA integrity_check", "PRAGMA foreign_key_check"];
    const damaged = checks
      .flatMap((check) =>
        database
          .prepare(check)
          .all()
          .map((row) => Object.values(row).join(" ")),
      )
      .filter((said) => said !== "ok");
    database.close();
    return { lost, damaged, stuck: missing(directory, [next]) };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { lost: acknowledged.map(({ guid }) => guid), damaged: [error.message], stuck: [] };
  }
}

/** Throws STATE_UNREADABLE where the database is damaged. */
function missing(
  directory: string,
  sent: readonly SentDelivery[],
  then: (store: ReturnType<typeof openServerStore>) => unknown = () => undefined,
): readonly string[] {
  using store = openServerStore(directory, CLOCK);
  const gone = sent.filter(({ guid, body }) => store.deliveries.find(guid)?.body !== body).map(({ guid }) => guid);
  then(store);
  return gone;
}

const CLOCK = { now: Date.now, monotonicMs: () => performance.now() };

const LOG_HEADER_BYTES = 32;

/** By the number of the record. */
function hearing(records: readonly DiskRecord[], syncs: HeardSyncs): (index: number) => boolean {
  return (index) => {
    const record = records[index];
    if (record?.kind !== "sync" || syncs === "all") return true;
    if (syncs !== "normal") return syncs === "files" && record.path !== ".";
    if (record.path !== `${SERVER_DATABASE}-wal`) return true;
    // SQLite syncs its log in any case after it has written its header, and before it changes the database.
    const before = records[index - 1];
    const isOfHeader = before?.kind === "write" && before.offset === 0 && before.bytes.length === LOG_HEADER_BYTES;
    const after = records[index + 1];
    return isOfHeader || ((after?.kind === "write" || after?.kind === "truncate") && after.path === SERVER_DATABASE);
  };
}

function randomBytes(sizeBytes: number, random: () => number): Buffer {
  return Buffer.from(Array.from({ length: sizeBytes }, () => Math.floor(random() * 256)));
}
