import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";

import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockState, openDatabase } from "./database.ts";
import { runProgram } from "./fail-point-server.fixture.ts";
import { MIGRATIONS } from "./migrations.ts";
import { delivery, newRun, serverStoreContract, testClock } from "./server-store.contract.ts";
import { openServerStore, SERVER_DATABASE } from "./sqlite-server-store.ts";

let directory = "";
let count = 0;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hearth-server-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const path = () => join(directory, SERVER_DATABASE);
const open = () => openServerStore(directory, testClock());

serverStoreContract("SQLite", (clock) => openServerStore(join(directory, String((count += 1))), clock), 40);

describe("the database of a server", () => {
  it("is its owner's alone, whatever the umask", () => {
    const umask = process.umask(0);
    try {
      using store = open();
      store.notes.set("a", "b");
      expect(statSync(directory).mode & 0o777).toBe(0o700);
      const modes = ["", "-wal", "-shm"].map((name) => statSync(path() + name).mode & 0o777);
      expect(modes).toEqual([0o600, 0o600, 0o600]);
    } finally {
      process.umask(umask);
    }
  });

  it("holds everything when it is opened again, and leases of the process before are over", () => {
    {
      using store = open();
      const accepted = store.deliveries.accept(delivery("one"));
      const [run] = store.deliveries.settle(accepted.kind === "accepted" ? accepted.id : 0, {
        state: "planned",
        runs: [newRun()],
      });
      store.runs.claim(run?.id ?? 0, "me", 1_000_000);
    }
    using store = open();
    expect(store.deliveries.accept(delivery("one")).kind).toBe("duplicate");
    expect(store.runs.recover(1)).toMatchObject([{ state: "queued", attempt: 2 }]);
  });

  it("is refused when it is damaged, and left as it is", () => {
    open()[Symbol.dispose]();
    const bytes = readFileSync(path());
    for (let at = 4096; at < bytes.length; at += 64) bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at);
    writeFileSync(path(), bytes);
    expect(open).toThrow(
      expect.objectContaining({ code: "STATE_UNREADABLE", message: expect.stringContaining(path()) }),
    );
    expect(readFileSync(path()).equals(bytes)).toBe(true);
    writeFileSync(path(), "not a database, but a file that somebody has put here ".repeat(100));
    expect(open).toThrow(expect.objectContaining({ code: "STATE_UNREADABLE" }));
  });

  it("is refused when a later version made it", () => {
    open()[Symbol.dispose]();
    const raw = new DatabaseSync(path());
    raw.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
    raw.close();
    expect(open).toThrow(/later version/);
  });

  it("says that it cannot be written while another process holds it, and goes on after", { timeout: 30_000 }, () => {
    using store = open();
    const other = new DatabaseSync(path());
    other.exec("BEGIN IMMEDIATE");
    expect(() => store.notes.set("a", "1")).toThrow(expect.objectContaining({ code: "STATE_UNWRITABLE" }));
    other.exec("COMMIT");
    other.close();
    store.notes.set("a", "2");
    expect(store.notes.get("a")).toBe("2");
  });

  it("keeps what it has when the disk is full, and takes more when there is room", () => {
    using database = openDatabase(path());
    const fill = (body: string) =>
      database.run(
        "INSERT INTO notes VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        "a",
        body,
      );
    fill("kept");
    const pages = Number(database.get("PRAGMA page_count")?.["page_count"]);
    database.get(`PRAGMA max_page_count = ${pages}`);
    expect(() => fill("x".repeat(1_000_000))).toThrow(/disk is full/);
    expect(() => database.transaction(() => fill("x".repeat(1_000_000)))).toThrow(/disk is full/);
    expect(database.get("SELECT value FROM notes")?.["value"]).toBe("kept");
    database.get("PRAGMA max_page_count = 100000");
    database.transaction(() => fill("more"));
    expect(database.get("SELECT value FROM notes")?.["value"]).toBe("more");
  });

  it("belongs to one server at a time", { timeout: 30_000 }, async () => {
    {
      await using _ = await lockState(directory);
      await expect(lockState(directory)).rejects.toMatchObject({ code: "STATE_UNWRITABLE" });
    }
    await using _ = await lockState(directory);
  });
});

describe("migrations", () => {
  const statements = MIGRATIONS.flat().length;

  it("can be killed after any statement, and end as if nothing had happened", { timeout: 120_000 }, async () => {
    const opening = (nth: number) => `
      import { openDatabase } from "./database.ts";
      import { armFailPoint } from "./fail-point.ts";
      armFailPoint("in_migration", ${nth});
      openDatabase(${JSON.stringify(path())});
    `;
    for (let nth = 1; nth <= statements; nth++) {
      expect((await runProgram(opening(nth))).signal, `statement ${nth}`).toBe("SIGKILL");
    }
    openDatabase(path())[Symbol.dispose]();
    const untouched = join(directory, "untouched.db");
    openDatabase(untouched)[Symbol.dispose]();
    expect(schemaOf(path())).toEqual(schemaOf(untouched));
  });

  it("bring an older database to the newer schema with what it holds", () => {
    {
      using old = openDatabase(path(), { migrations: [["CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT)"]] });
      old.run("INSERT INTO notes VALUES ('a', 'b')");
    }
    const migrations = [["never run again"], ["ALTER TABLE notes ADD COLUMN more TEXT"]];
    using newer = openDatabase(path(), { migrations });
    expect(newer.get("SELECT * FROM notes")).toEqual({ name: "a", value: "b", more: null });
  });

  it("leave an older database as it was when one of them fails", () => {
    const first = ["CREATE TABLE notes (name TEXT)"];
    openDatabase(path(), { migrations: [first] })[Symbol.dispose]();
    const failing = [first, ["CREATE TABLE more (name TEXT)", "no such statement"]];
    expect(() => openDatabase(path(), { migrations: failing })).toThrow(/syntax error/);
    using again = openDatabase(path(), { migrations: [first] });
    expect(again.all("SELECT name FROM sqlite_schema")).toEqual([{ name: "notes" }]);
  });
});

function schemaOf(file: string): unknown {
  const raw = new DatabaseSync(file);
  const schema = raw.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").all();
  raw.close();
  return schema;
}
