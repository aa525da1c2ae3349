/** All routes of the API facade in the order in which they are tried: what is special before what takes the rest of a path. */
import { archiveRoutes } from "./api-archive.ts";
import { checkRoutes } from "./api-checks.ts";
import { deploymentRoutes } from "./api-deployments.ts";
import { keptRoutes } from "./api-kept-routes.ts";
import { runRoutes } from "./api-runs.ts";
import { statusRoutes } from "./api-statuses.ts";
import { workflowRoutes } from "./api-workflows.ts";
import { commentRoutes } from "./api-comments.ts";
import { contentRoutes } from "./api-contents.ts";
import { issueRoutes } from "./api-issues.ts";
import { metaRoutes } from "./api-meta.ts";
import { pullRoutes } from "./api-pulls.ts";
import { refRoutes } from "./api-refs.ts";
import { releaseRoutes } from "./api-releases.ts";
import { commitRoute, repositoryRoutes } from "./api-repository.ts";
import { reviewRoutes } from "./api-reviews.ts";
import { reads, route, writes } from "./api-route.ts";
import type { Route } from "./api-route.ts";

/** What is read of git alone: of mirrors too, which anybody may read. */
const gitRoutes: readonly Route[] = [
  ...repositoryRoutes.filter(({ pattern }) => !pattern.includes("/collaborators/")),
  ...contentRoutes,
  ...refRoutes.filter(({ method }) => method === "GET"),
  ...archiveRoutes,
  commitRoute,
];

export const MIRRORED: ReadonlySet<Route> = new Set(gitRoutes);

/** What a job's token may do at GitHub and nobody does here; with `--api github` it is passed on. */
const passedOnly: readonly Route[] = [
  route("PUT", "contents/{path*}", writes("contents"), undefined),
  route("DELETE", "contents/{path*}", writes("contents"), undefined),
  route("POST", "git/blobs", writes("contents"), undefined),
  route("POST", "git/trees", writes("contents"), undefined),
  route("POST", "git/commits", writes("contents"), undefined),
  route("POST", "merges", writes("contents"), undefined),
  route("GET", "contributors", reads("contents"), undefined),
  route("GET", "commits/{ref}/comments", reads("contents"), undefined),
  route("POST", "commits/{ref}/comments", writes("contents"), undefined),
  route("GET", "environments", reads("actions"), undefined),
  route("GET", "pages", reads("pages"), undefined),
  route("POST", "pages/deployments", writes("pages"), undefined),
  route("GET", "code-scanning/{rest*}", reads("security-events"), undefined),
  route("POST", "code-scanning/sarifs", writes("security-events"), undefined),
  route("GET", "dependabot/{rest*}", reads("vulnerability-alerts"), undefined),
  route("GET", "dependency-graph/{rest*}", reads("contents"), undefined),
  route("POST", "dependency-graph/snapshots", writes("contents"), undefined),
  route("GET", "attestations/{rest*}", reads("attestations"), undefined),
  route("POST", "attestations", writes("attestations"), undefined),
];

export const API_ROUTES: readonly Route[] = [
  ...metaRoutes,
  ...issueRoutes.filter(({ pattern }) => !pattern.includes("{number}")),
  ...commentRoutes,
  ...issueRoutes.filter(({ pattern }) => pattern.includes("{number}")),
  ...reviewRoutes,
  ...pullRoutes,
  ...checkRoutes,
  ...statusRoutes,
  ...deploymentRoutes,
  ...releaseRoutes,
  ...runRoutes,
  ...keptRoutes,
  ...workflowRoutes,
  ...refRoutes.filter(({ method }) => method !== "GET"),
  ...repositoryRoutes.filter(({ pattern }) => pattern.includes("/collaborators/")),
  ...passedOnly.filter(({ pattern }) => pattern.includes("commits/{ref}/")),
  ...gitRoutes,
  ...passedOnly,
];
