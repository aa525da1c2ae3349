/** The server's store in one SQLite file (`database.ts`). For one process at a time: hold `lockState` of its directory first. */
import { join } from "node:path";
import { openDatabase } from "./database.ts";
import type { DatabaseOptions } from "./database.ts";
import type { ServerStore } from "./server-store.ts";
import { createDeliveries } from "./sqlite-deliveries.ts";
import { createOutbox } from "./sqlite-outbox.ts";
import { createRuns } from "./sqlite-runs.ts";
import type { Clock } from "./sqlite-runs.ts";

export const SERVER_DATABASE = "server.db";

/** In a directory of its own, which becomes readable by its owner alone. Throws as `openDatabase`. */
export function openServerStore(directory: string, clock: Clock, options: DatabaseOptions = {}): ServerStore {
  const database = openDatabase(join(directory, SERVER_DATABASE), options);
  return {
    deliveries: createDeliveries(database, clock.now),
    runs: createRuns(database, clock),
    outbox: createOutbox(database),
    notes: {
      get(name) {
        const value = database.get("SELECT value FROM notes WHERE name = ?", name)?.["value"];
        return value === undefined ? undefined : String(value);
      },
      set(name, value) {
        database.run(
          "INSERT INTO notes VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
          name,
          value,
        );
      },
      names: (prefix) =>
        database
          .all("SELECT name FROM notes WHERE substr(name, 1, ?) = ? ORDER BY name", prefix.length, prefix)
          .map(({ name }) => String(name)),
      remove(name) {
        database.run("DELETE FROM notes WHERE name = ?", name);
      },
    },
    [Symbol.dispose]: () => database[Symbol.dispose](),
  };
}
