/**
 * Tokens of a GitHub App: its own for what concerns the App, and for each repository one of the installation there, made for that
 * repository alone and kept until shortly before it expires. Safe to ask concurrently: a token is made once.
 * https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
 */
import { createPrivateKey } from "node:crypto";
import type { createAppAuth } from "@octokit/auth-app";
import { EngineError } from "../lib/engine-error.ts";
import { readFileWithin } from "../lib/read-file-within.ts";
import { GithubProblem } from "./github-problem.ts";

export interface AppCredentials {
  readonly appId: string;
  /** PKCS#8 in PEM. */
  readonly privateKey: string;
}

export interface AppTokens {
  /** A JWT: for `/app/…` alone. */
  ofApp(): Promise<string>;
  /** Throws `GithubProblem` denied where the App is not installed. */
  ofRepository(owner: string, repo: string): Promise<string>;
  /** It was refused: the next one is made anew. */
  forget(owner: string, repo: string): void;
}

type RequestOfOctokit = NonNullable<Parameters<typeof createAppAuth>[0]["request"]>;

const MAX_KEY_BYTES = 64 << 10;
const INSTALLATION_KNOWN_MS = 3600_000;
/** So long before its end a token is not used any more. */
const BEFORE_END_MS = 120_000;

/** Both forms of PEM that GitHub has handed out. Throws BAD_CONFIG. */
export function readAppCredentials(appId: string, keyFile: string): AppCredentials {
  const bad = (reason: string, cause?: unknown): EngineError =>
    new EngineError("BAD_CONFIG", `Cannot use the GitHub App ${appId}: ${reason}`, { cause });
  if (!/^[\w.-]{1,64}$/.test(appId)) throw bad("its id is the number, or the client id, that GitHub shows");
  let pem: string;
  try {
    pem = readFileWithin(keyFile, MAX_KEY_BYTES, undefined).toString("utf8");
  } catch (error) {
    throw bad(`${keyFile} cannot be read: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType !== "rsa") throw bad(`${keyFile} holds no RSA key`);
    return { appId, privateKey: key.export({ type: "pkcs8", format: "pem" }).toString() };
  } catch (error) {
    if (error instanceof EngineError) throw error;
    // The error itself is not repeated: nobody knows what of the file is in it.
    throw bad(`${keyFile} holds no private key in PEM`);
  }
}

export async function createAppTokens(
  { appId, privateKey }: AppCredentials,
  request: RequestOfOctokit,
  now: () => number,
): Promise<AppTokens> {
  const { createAppAuth } = await import("@octokit/auth-app");
  const auth = createAppAuth({ appId, privateKey, request, cache: tokenCache(now), log: SILENT });
  const installations = new Map<string, { readonly id: number; readonly untilMs: number }>();
  const stale = new Set<string>();
  const ofApp = async (): Promise<string> => (await auth({ type: "app" })).token;

  const installationOf = async (owner: string, repo: string): Promise<number> => {
    const known = installations.get(keyOf(owner, repo));
    if (known !== undefined && known.untilMs > now()) return known.id;
    const headers = { authorization: `bearer ${await ofApp()}` };
    const { data } = await request("GET /repos/{owner}/{repo}/installation", { owner, repo, headers }).catch(
      (error: unknown) => {
        if (!(error instanceof Error && "status" in error && error.status === 404)) throw error;
        throw new GithubProblem(`the GitHub App is not installed on ${owner}/${repo}`, 404, { kind: "denied" }, error);
      },
    );
    installations.set(keyOf(owner, repo), { id: data.id, untilMs: now() + INSTALLATION_KNOWN_MS });
    return data.id;
  };

  return {
    ofApp,
    async ofRepository(owner, repo) {
      const installationId = await installationOf(owner, repo);
      const refresh = stale.delete(keyOf(owner, repo));
      return (await auth({ type: "installation", installationId, repositoryNames: [repo], refresh })).token;
    },
    forget(owner, repo) {
      stale.add(keyOf(owner, repo));
      installations.delete(keyOf(owner, repo));
    },
  };
}

function keyOf(owner: string, repo: string): string {
  return `${owner}/${repo}`.toLowerCase();
}

/** Octokit's own keeps a token for 59 minutes whatever GitHub said of its end. Values are `token|created|expires|…`. */
function tokenCache(now: () => number) {
  const kept = new Map<string, string>();
  return {
    get(key: string): string {
      const value = kept.get(key) ?? "";
      const endMs = Date.parse(value.split("|")[2] ?? "");
      return endMs - BEFORE_END_MS > now() ? value : "";
    },
    set(key: string, value: string): void {
      kept.set(key, value);
    },
  };
}

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
