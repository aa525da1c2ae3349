/**
 * The schema of the server's database, as the steps that lead to it. A step is never changed once released: what comes after it is a
 * new one. The version of a database is the number of steps it has behind it.
 */

export const MIGRATIONS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE deliveries (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      guid TEXT NOT NULL UNIQUE,
      event TEXT NOT NULL,
      repository TEXT NOT NULL,
      identity TEXT,
      source TEXT NOT NULL,
      received_ms INTEGER NOT NULL,
      state TEXT NOT NULL DEFAULT 'received',
      reason TEXT
    ) STRICT`,
    "CREATE UNIQUE INDEX deliveries_identity ON deliveries (repository, event, identity) WHERE identity IS NOT NULL",
    "CREATE INDEX deliveries_line ON deliveries (id) WHERE state = 'received'",
    // Apart from their deliveries, so that a new state does not write 25 MiB again.
    `CREATE TABLE bodies (
      delivery INTEGER PRIMARY KEY REFERENCES deliveries (id) ON DELETE CASCADE,
      body TEXT NOT NULL
    ) STRICT`,
    `CREATE TABLE runs (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      delivery INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
      repository TEXT NOT NULL,
      workflow TEXT NOT NULL,
      event TEXT NOT NULL,
      sha TEXT NOT NULL,
      head_sha TEXT NOT NULL,
      ref TEXT NOT NULL,
      actor TEXT NOT NULL,
      pull_request INTEGER,
      trust TEXT NOT NULL,
      declared_steps INTEGER NOT NULL,
      inputs TEXT NOT NULL,
      waits_for TEXT,
      refusal TEXT,
      state TEXT NOT NULL,
      attempt INTEGER NOT NULL DEFAULT 1,
      run TEXT,
      first_run TEXT,
      conclusion TEXT,
      reason TEXT,
      cancel_requested INTEGER NOT NULL DEFAULT 0,
      failed_only INTEGER NOT NULL DEFAULT 0,
      queued_ms INTEGER NOT NULL,
      started_ms INTEGER,
      completed_ms INTEGER,
      approved_by TEXT,
      place INTEGER NOT NULL,
      owner TEXT,
      fence INTEGER NOT NULL DEFAULT 0,
      lease_epoch TEXT,
      lease_until_ms REAL,
      losses INTEGER NOT NULL DEFAULT 0,
      deploys INTEGER NOT NULL DEFAULT 0,
      untold INTEGER NOT NULL DEFAULT 0,
      lost TEXT,
      UNIQUE (delivery, workflow, event)
    ) STRICT`,
    "CREATE INDEX runs_state ON runs (state, repository, place)",
    "CREATE INDEX runs_repository ON runs (repository, id)",
    "CREATE INDEX runs_untold ON runs (id) WHERE untold = 1 OR lost IS NOT NULL",
    "CREATE UNIQUE INDEX runs_run ON runs (run) WHERE run IS NOT NULL",
    `CREATE TABLE reports (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      key TEXT NOT NULL UNIQUE,
      kind TEXT NOT NULL,
      repository TEXT NOT NULL,
      body TEXT NOT NULL,
      tries INTEGER NOT NULL DEFAULT 0,
      due_ms INTEGER NOT NULL DEFAULT 0,
      error TEXT,
      abandoned INTEGER NOT NULL DEFAULT 0
    ) STRICT`,
    "CREATE INDEX reports_due ON reports (due_ms, id) WHERE abandoned = 0",
    "CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
  ],
];
