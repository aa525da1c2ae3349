import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkName, keyOfScope } from "./secret-name.ts";
import { openSecretStore } from "./secret-store.ts";
import type { SecretStore, SecretStoreOptions } from "./secret-store.ts";

const repository = { kind: "repository", repository: "Octo/Repo" } as const;
const organisation = { kind: "organisation", owner: "octo" } as const;
const production = { kind: "environment", repository: "octo/repo", environment: "Production" } as const;

const key = (byte: number): string => Buffer.alloc(32, byte).toString("base64");

describe("the store of secrets", () => {
  let stateDir = "";
  let store: SecretStore;
  const open = (more: Partial<SecretStoreOptions> = {}): SecretStore =>
    openSecretStore({
      stateDir,
      keyFile: undefined,
      credentialsDir: undefined,
      now: () => Date.UTC(2026, 10, 22),
      ...more,
    });

  beforeEach(() => {
    stateDir = mkdtempSync(join(tmpdir(), "hearth-test-"));
    store = open();
  });
  afterEach(() => {
    store[Symbol.dispose]();
    rmSync(stateDir, { recursive: true });
  });

  it("gives the narrowest of several, whatever the case", () => {
    store.set("secret", organisation, "A", "a of the organisation");
    store.set("secret", organisation, "b", "b of the organisation");
    store.set("secret", organisation, "C", "c of the organisation");
    store.set("secret", repository, "B", "b of the repository");
    store.set("secret", repository, "c", "c of the repository");
    store.set("secret", production, "C", "c of production");
    const ofRepository = { A: "a of the organisation", B: "b of the repository", C: "c of the repository" };
    expect(store.secretsFor("octo/repo")).toEqual(ofRepository);
    expect(store.secretsFor("OCTO/REPO", "PRODUCTION")).toEqual({ ...ofRepository, C: "c of production" });
    expect(store.secretsFor("octo/repo", "staging")).toEqual(ofRepository);
    expect(store.environmentsOf("octo/repo")).toEqual({ production: { secrets: { C: "c of production" }, vars: {} } });
    expect(store.secretsFor("octo/other")).toEqual({
      A: "a of the organisation",
      B: "b of the organisation",
      C: "c of the organisation",
    });
    expect(store.secretsFor("octopus/repo")).toEqual({});
    expect(store.environmentsOf("octo/re")).toEqual({});
  });

  it("keeps variables beside secrets of the same name", () => {
    store.set("variable", repository, "REGION", "eu");
    store.set("variable", production, "REGION", "us");
    store.set("secret", repository, "REGION", "hidden");
    expect(store.variablesFor("octo/repo", "production")).toEqual({ REGION: "us" });
    expect(store.list("variable", repository)).toEqual([
      { name: "REGION", value: "eu", updatedAt: "2026-11-22T00:00:00.000Z" },
    ]);
    expect(store.list("secret", repository)).toEqual([
      { name: "REGION", value: undefined, updatedAt: "2026-11-22T00:00:00.000Z" },
    ]);
  });

  it("replaces and removes", () => {
    store.set("secret", repository, "A", "one");
    store.set("secret", repository, "a", "two");
    expect(store.secretsFor("octo/repo")).toEqual({ A: "two" });
    expect([store.remove("secret", repository, "a"), store.remove("secret", repository, "a")]).toEqual([true, false]);
    expect(store.list("secret", repository)).toEqual([]);
  });

  it("has no value in its files, before and after it was replaced", () => {
    const values = ["first-canary-value-0123456789", "second-canary-value-0123456789"];
    for (const value of values) store.set("secret", repository, "A", value);
    store.remove("secret", repository, "A");
    store.set("variable", repository, "PLAIN", "a-variable-that-may-be-seen");
    const bytes = Buffer.concat(readdirSync(stateDir).map((name) => readFileSync(join(stateDir, name))));
    for (const value of values) expect(bytes.includes(value)).toBe(false);
    expect(bytes.includes("a-variable-that-may-be-seen")).toBe(true);
  });

  it("is readable by its owner alone, whatever the umask", () => {
    store[Symbol.dispose]();
    rmSync(stateDir, { recursive: true });
    mkdirSync(stateDir);
    const umask = process.umask(0);
    try {
      store = open();
      store.set("secret", repository, "A", "x");
    } finally {
      process.umask(umask);
    }
    const modes = readdirSync(stateDir).map(
      (name) => `${name} ${(statSync(join(stateDir, name)).mode & 0o777).toString(8)}`,
    );
    expect(modes).toEqual(expect.arrayContaining(["secret-key 600", "secrets.db 600"]));
    expect(modes.filter((mode) => !mode.endsWith(" 600"))).toEqual([]);
  });

  it("takes another key for what it is, and a row in another's place", () => {
    store.set("secret", repository, "A", "of a");
    store.set("secret", repository, "B", "of b");
    const database = new DatabaseSync(join(stateDir, "secrets.db"));
    database.exec("UPDATE value SET value = (SELECT value FROM value WHERE name = 'A') WHERE name = 'B'");
    database.close();
    expect(() => store.secretsFor("octo/repo")).toThrow(/Cannot read the secret B/);
    writeFileSync(join(stateDir, "secret-key"), `${Buffer.alloc(32, 7).toString("base64")}\n`);
    store[Symbol.dispose]();
    store = open();
    expect(() => store.secretsFor("octo/repo")).toThrow(/Cannot read the secret A: .*secret-key is not its key/);
  });

  it("finds its key where the operator says, then in systemd's credentials, then makes its own", () => {
    const [keyFile, credentialsDir] = [join(stateDir, "given"), join(stateDir, "credentials")];
    mkdirSync(credentialsDir);
    writeFileSync(keyFile, key(1));
    writeFileSync(join(credentialsDir, "hearth-secret-key"), key(2));
    const read = (more: Partial<SecretStoreOptions>): string => {
      using other = open(more);
      try {
        return other.secretsFor("octo/repo")["A"] ?? "none";
      } catch {
        return "another key";
      }
    };
    using given = open({ keyFile, credentialsDir });
    given.set("secret", repository, "A", "x");
    expect([read({ keyFile }), read({ credentialsDir }), read({})]).toEqual(["x", "another key", "another key"]);
    using credential = open({ credentialsDir });
    credential.set("secret", repository, "A", "y");
    expect([read({ keyFile }), read({ credentialsDir })]).toEqual(["another key", "y"]);
    expect(() => open({ keyFile: join(stateDir, "none") }).secretsFor("octo/repo")).toThrow(/Cannot use the key/);
    writeFileSync(keyFile, "short");
    chmodSync(keyFile, 0o600);
    expect(() => open({ keyFile }).secretsFor("octo/repo")).toThrow(/it holds no key/);
  });

  it.each([
    ["GITHUB_TOKEN", "GitHub's own"],
    ["github_x", "GitHub's own"],
    ["1A", "do not begin with a digit"],
    ["A-B", "letters, digits and _"],
    ["", "letters, digits and _"],
    ["A\n", "letters, digits and _"],
    ["A".repeat(256), "longer than 255"],
  ])("does not take the name %j", (name, reason) => {
    expect(() => store.set("secret", repository, name, "x")).toThrow(reason);
    expect(() => checkName(name)).toThrow(reason);
  });

  it.each([
    { kind: "repository", repository: "repo" },
    { kind: "repository", repository: "o/r/x" },
    { kind: "repository", repository: "o/r x" },
    { kind: "organisation", owner: "o/r" },
    { kind: "environment", repository: "o/r", environment: "" },
  ] as const)("does not take the place %o", (scope) => {
    expect(() => keyOfScope(scope)).toThrow(/Cannot use/);
  });

  it("takes 48 KB and no more, and nothing that is empty", () => {
    const largest = "é".repeat(24 * 1024);
    store.set("secret", repository, "A", largest);
    expect(store.secretsFor("octo/repo")).toEqual({ A: largest });
    expect(() => store.set("secret", repository, "A", `${largest}x`)).toThrow(/49153 bytes/);
    expect(() => store.set("secret", repository, "A", " \n")).toThrow(/empty/);
    store.set("variable", repository, "A", "");
    expect(store.variablesFor("octo/repo")).toEqual({ A: "" });
  });
});
