/**
 * GitHub's API for the jobs of one run: what it begins with, which repository it reads, where it asks if not here. Loaded with the
 * other services, when the first job needs one; only what it says of the run is noted from the start.
 */
import type { Config } from "./config.ts";
import { EngineError } from "./lib/engine-error.ts";
import { readFileWithin } from "./lib/read-file-within.ts";
import type { Plan } from "./plan/plan.ts";
import type { RepositoryLookup } from "./service/repository-lookup.ts";
import { createApiRun } from "./service/api-run.ts";
import type { ApiSettings } from "./service/api-service.ts";
import type { ApiSeed } from "./service/api-seed.ts";
import type { RunEvent } from "./store/run-event.ts";

export interface RunApi {
  /** Every event of the run, in order. */
  note(event: RunEvent): void;
  /** The same for all machines of the run. */
  settings(): Promise<ApiSettings>;
}

export interface RunApiOptions {
  readonly plan: Plan;
  readonly config: Config;
  /** Root of the repository's working tree. */
  readonly root: string;
  /** The working tree's commit, where a step checks it out. */
  readonly snapshotGitDir: string | undefined;
  /** A directory of this run's own, made when it is asked for. */
  readonly scratch: () => Promise<string>;
  /** The secret GITHUB_TOKEN of the run. */
  readonly givenToken: string | undefined;
}

const MAX_SEED_BYTES = 16 << 20;

/** Throws BAD_CONFIG: no token to ask GitHub with, a file of state that cannot be used. */
export async function createRunApi(options: RunApiOptions): Promise<RunApi> {
  const { plan, config, givenToken } = options;
  const seed = await readSeed(config);
  const token = givenToken ?? config.githubToken;
  if (config.api === "github" && token === undefined) {
    throw new EngineError("BAD_CONFIG", "Cannot pass requests on to GitHub: this host has no token for it", {
      hint: "Set GITHUB_TOKEN, or leave out --api github.",
    });
  }
  const run = createApiRun(new Date().toISOString().replace(/\.\d+Z$/, "Z"));
  let made: Promise<ApiSettings> | undefined;
  const make = async (): Promise<ApiSettings> => {
    const [{ createApiState, EMPTY_SEED }, { dialTcp, parseUpstreamProxy, resolveBySystem }] = await Promise.all([
      import("./service/api-seed.ts"),
      import("./service/dial.ts"),
    ]);
    const { payload } = plan.event;
    const upstream = config.upstreamProxy === undefined ? undefined : parseUpstreamProxy(config.upstreamProxy);
    const way = { resolve: resolveBySystem, dial: dialTcp, upstream };
    return {
      world: { state: createApiState(payload, seed ?? EMPTY_SEED), run: run.view, payload, now: Date.now },
      lookup: await lookupFor(options),
      github: config.api === "github" && token !== undefined ? { apiUrl: config.apiUrl, token, way } : undefined,
    };
  };
  return { note: (event) => run.note(event), settings: () => (made ??= make()) };
}

async function readSeed({ apiStateFile }: Config): Promise<ApiSeed | undefined> {
  if (apiStateFile === undefined) return undefined;
  const { path, source } = apiStateFile;
  let text: string;
  try {
    text = readFileWithin(path, MAX_SEED_BYTES, undefined).toString("utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EngineError("BAD_CONFIG", `Cannot read ${path} from ${source}: ${reason}`, { cause: error });
  }
  const { parseApiSeed } = await import("./service/api-seed.ts");
  return parseApiSeed(text, path);
}

/** Where no step checks the repository out there is no commit of the working tree, and then what is committed is what is read. */
async function lookupFor({ plan, config, root, snapshotGitDir, scratch }: RunApiOptions): Promise<RepositoryLookup> {
  const { createLookup } = await import("./service/repository-lookup.ts");
  const mirrors = createLookup(undefined, config.mirrorDir);
  let borrowed: Promise<string | undefined> | undefined;
  const borrow = async (): Promise<string | undefined> => {
    const [{ describeRepository }, { borrowCommits }] = await Promise.all([
      import("./git/repository.ts"),
      import("./git/working-tree.ts"),
    ]);
    return borrowCommits(await describeRepository(root), await scratch());
  };
  const { owner, name } = plan.event.repository;
  const own = `${owner}/${name}`.toLowerCase();
  return async (askedOwner, askedName) => {
    if (`${askedOwner}/${askedName}`.toLowerCase() !== own) return await mirrors(askedOwner, askedName);
    return snapshotGitDir ?? (await (borrowed ??= borrow()));
  };
}
