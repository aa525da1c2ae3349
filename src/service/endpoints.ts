/** The services of a machine, all but git: one line each. They are asked in this order. */
import { createApiService } from "./api-service.ts";
import type { ApiSettings } from "./api-service.ts";
import { createArtifactEndpoint } from "./artifact-endpoint.ts";
import { createArtifacts } from "./artifacts.ts";
import { createBlobEndpoint } from "./blob-endpoint.ts";
import { createCacheEndpoint } from "./cache-endpoint.ts";
import type { CacheLimits } from "./cache-store.ts";
import { createCacheV1Endpoint } from "./cache-v1-endpoint.ts";
import { createCaches } from "./caches.ts";
import type { Endpoint, EndpointSurroundings } from "./endpoint.ts";
import { createOidcEndpoint } from "./oidc-endpoint.ts";
import type { OidcSettings } from "./oidc-endpoint.ts";
import { createUploadCheck } from "./upload-check.ts";
import type { SecretsInUploads } from "./upload-check.ts";

/** What the operator decides about them. */
export interface EndpointSettings {
  readonly caches: CacheLimits;
  /** Default: refuse. */
  readonly secretsInUploads?: SecretsInUploads | undefined;
  /** Undefined: no job has an identity. */
  readonly oidc?: OidcSettings | undefined;
  /** Undefined: no API is served. */
  readonly api?: ApiSettings | undefined;
}

export function createEndpoints(surroundings: EndpointSurroundings, settings: EndpointSettings): readonly Endpoint[] {
  const check = createUploadCheck(surroundings, settings.secretsInUploads ?? "refuse");
  const caches = createCaches({ ...surroundings, limits: settings.caches, check });
  const artifacts = createArtifacts({ ...surroundings, check });
  return [
    createBlobEndpoint(surroundings),
    createCacheEndpoint(caches, surroundings),
    createCacheV1Endpoint(caches, surroundings),
    createArtifactEndpoint(artifacts, surroundings),
    ...(settings.api === undefined
      ? []
      : [createApiService(settings.api, { ...surroundings, artifacts, limits: settings.caches })]),
    ...(settings.oidc === undefined ? [] : [createOidcEndpoint(surroundings, settings.oidc)]),
  ];
}
