/**
 * Who may ask the API: tokens with a name and a role, shown once when they are made, kept as hashes. 256 random bits need no slow
 * hash. The file is read again when it changes, so a running server knows at once what was added or removed.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { array, enum as oneOf, object, safeParse, string } from "zod/mini";
import type { infer as Infer } from "zod/mini";
import { EngineError } from "../lib/engine-error.ts";

/** Rising: `run` may what `read` may, `admin` may everything. */
export const ROLES = ["read", "run", "admin"] as const;
export type Role = (typeof ROLES)[number];

const TokenFile = object({
  tokens: array(object({ name: string(), role: oneOf(ROLES), sha256: string(), createdAt: string() })),
});
type Kept = Infer<typeof TokenFile>["tokens"][number];

export interface ApiTokens {
  /** Oldest first. */
  list(): readonly Omit<Kept, "sha256">[];
  /** The token, which is nowhere after this. Throws BAD_USAGE for a name that is taken or none. */
  add(name: string, role: Role, now: Date): string;
  /** False: there is none of this name. */
  remove(name: string): boolean;
  /** Whose token it is. Takes the same time for every token that is wrong. */
  check(token: string): { readonly name: string; readonly role: Role } | undefined;
}

const MAX_TOKENS = 1000;

/** The file need not be there. All throw STATE_UNREADABLE for one that is not ours. */
export function openApiTokens(stateDir: string): ApiTokens {
  const directory = join(stateDir, "server");
  const path = join(directory, "api-tokens.json");
  let known: { readonly stamp: string; readonly tokens: readonly Kept[] } = { stamp: "", tokens: [] };

  function read(): readonly Kept[] {
    const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
    if (stat === undefined) return [];
    const stamp = `${stat.ino} ${stat.mtimeNs} ${stat.size}`;
    if (stamp !== known.stamp) known = { stamp, tokens: parse(path) };
    return known.tokens;
  }

  /** A new file takes the place of the old one, so that a reader sees either. */
  function write(tokens: readonly Kept[]): void {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const partial = `${path}.${process.pid}`;
    writeFileSync(partial, `${JSON.stringify({ tokens }, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(partial, path);
  }

  return {
    list: () => read().map(({ name, role, createdAt }) => ({ name, role, createdAt })),
    add(name, role, now) {
      const tokens = read();
      if (!/^[\w.@-]{1,64}$/u.test(name)) {
        throw new EngineError("BAD_USAGE", `Cannot name a token ${JSON.stringify(name)}`, {
          hint: "Letters, digits and . _ @ -, at most 64.",
        });
      }
      if (tokens.some((kept) => kept.name === name)) {
        throw new EngineError("BAD_USAGE", `There is a token ${name} already`, {
          hint: `hearth api-token rm ${name}`,
        });
      }
      if (tokens.length >= MAX_TOKENS) throw new EngineError("BAD_USAGE", `There are ${MAX_TOKENS} tokens already`);
      const token = `hearth_${randomBytes(32).toString("base64url")}`;
      write([...tokens, { name, role, sha256: hashOf(token).toString("hex"), createdAt: now.toISOString() }]);
      return token;
    },
    remove(name) {
      const tokens = read();
      const rest = tokens.filter((kept) => kept.name !== name);
      if (rest.length === tokens.length) return false;
      write(rest);
      return true;
    },
    check(token) {
      const hash = hashOf(token);
      let found: Kept | undefined;
      for (const kept of read()) {
        const expected = Buffer.from(kept.sha256, "hex");
        if (expected.length === hash.length && timingSafeEqual(expected, hash)) found = kept;
      }
      return found && { name: found.name, role: found.role };
    },
  };
}

export function mayDo(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function parse(path: string): readonly Kept[] {
  const parsed = safeParse(TokenFile, readJson(path));
  if (parsed.success) return parsed.data.tokens;
  throw new EngineError("STATE_UNREADABLE", `Cannot read the API's tokens in ${path}`, {
    hint: "Remove the file and make the tokens again with hearth api-token add.",
  });
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
