/** Artifacts and caches of this host for the API of one machine: those of the job's repository, whatever run made them. */
import { hasArtifacts, openArtifactStore } from "./artifact-store.ts";
import type { Artifacts } from "./artifacts.ts";
import type { ApiKept } from "./api-call.ts";
import type { CacheStoreOptions } from "./cache-store.ts";
import type { Caller } from "./job-tokens.ts";
import { listCaches, removeCaches } from "./kept-caches.ts";

export function createApiKept(artifacts: Artifacts, options: CacheStoreOptions): ApiKept {
  return {
    async artifacts(caller) {
      if (!hasArtifacts(options.stateDir)) return [];
      using store = openArtifactStore(options);
      return store.listAll(repositoryOf(caller));
    },
    artifactUrl: (caller, artifact) => artifacts.downloadUrl(caller, artifact),
    removeArtifact: (artifact) => artifacts.remove(artifact),
    async caches(caller) {
      const repository = repositoryOf(caller);
      return (await listCaches(options)).filter((cache) => cache.repository.toLowerCase() === repository);
    },
    removeCaches: (ids) => removeCaches(options, ids),
  };
}

function repositoryOf({ claims }: Caller): string {
  return `${claims.repository.owner}/${claims.repository.name}`.toLowerCase();
}
