/**
 * What the engine needs of the services that a machine talks to: a port, so that the engine knows neither HTTP nor git.
 * `compose.ts` chooses the implementation.
 */
import type { Duplex } from "node:stream";

/** Which outside hosts a machine may reach. `closed` by default (DESIGN §1.8). */
export type NetworkPolicy =
  | { readonly kind: "closed" }
  /** `host` or `host:port`; without a port 80 and 443. `*.example.com` stands for every name below example.com, not for itself. */
  | { readonly kind: "allow"; readonly hosts: readonly string[] }
  | { readonly kind: "open" };

export interface NetworkDecision {
  readonly host: string;
  readonly port: number;
  readonly allowed: boolean;
  /** Why it was refused, and the flag that would allow it. */
  readonly reason: string | undefined;
}

export interface ServiceRequest {
  /** The machine's guest-initiated stream; undefined: the services listen on loopback. */
  readonly egress: Duplex | undefined;
  /** Where the machine reaches the services, as its layout names it, without a trailing slash. Set where `egress` is. */
  readonly url?: string | undefined;
  readonly network: NetworkPolicy;
  readonly onDecision: (decision: NetworkDecision) => void;
  readonly onApi?: (note: ApiNote) => void;
}

/** What is to be told of a request to the API: in the step's log, or in the run's record. */
export type ApiNote =
  /** For people, one line, of printable characters. */
  { readonly kind: "line"; readonly text: string } | { readonly kind: "write"; readonly write: ApiWrite };

/** A change that a job asked for and got. */
export interface ApiWrite {
  readonly job: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** What was sent, as text; cut after some thousand characters. */
  readonly body: string;
}

/** Serving one machine. Disposal closes every connection and listener. */
export interface AttachedServices extends AsyncDisposable {
  /** Base of the git addresses as seen from loopback, without a trailing slash; undefined where the machine's layout names it. */
  readonly url: string | undefined;
  /** From here on the job's tokens open the services to it, until the answer is disposed. */
  openJob(job: ServedJob): JobServices;
  /** Connections of the machine that are open now, to the services and outside. */
  connections(): number;
  /** The machine was saved and has another stream: all connections end, jobs and their tokens stay. Only where `egress` was given. */
  moveTo(egress: Duplex): void;
}

/** Takes the pieces of some bytes in order, cut anywhere; true when what it was given until now holds a secret of the run. */
export type SecretScan = (piece: Buffer) => boolean;

export interface ServedJob extends JobClaims {
  /** For what the job uploads: what is secret when it is called is looked for. */
  readonly startScan: () => SecretScan;
}

/** What the services know of a job. Its tokens are bound to this: what a request says of itself counts for nothing. */
export interface JobClaims {
  /** In decimal, as `github.run_id`. */
  readonly runId: string;
  readonly runNumber: number;
  readonly runAttempt: number;
  /** Unique in the run. */
  readonly job: string;
  readonly repository: {
    readonly owner: string;
    readonly name: string;
    /** In decimal, as the `github` context shows them. */
    readonly id: string;
    readonly ownerId: string;
    readonly defaultBranch: string;
  };
  readonly event: string;
  readonly ref: string;
  readonly sha: string;
  /** Pull requests only, else empty. */
  readonly headRef: string;
  readonly baseRef: string;
  readonly actor: string;
  readonly actorId: string;
  readonly workflow: { readonly name: string; readonly ref: string; readonly sha: string };
  /** The file that the job stands in: another one where it was called. */
  readonly jobWorkflow: { readonly ref: string; readonly sha: string };
  /** Name of the job's `environment:`; empty for none. */
  readonly environment: string;
  /** By scope, as `permissions:` spells them. */
  readonly permissions: { readonly [scope: string]: "none" | "read" | "write" };
  /** False for what strangers can cause: reads caches of others, writes none of them. */
  readonly trusted: boolean;
  /** Value of `github.token`: the API facade knows the job by it. */
  readonly token: string;
  /** The job cannot last longer; its tokens do not either. */
  readonly lifetimeMs: number;
}

export interface JobServices extends Disposable {
  /** `ACTIONS_*` of every step, `run` steps too (ACTIONS-CONTRACT §1.3). */
  readonly stepVariables: Readonly<Record<string, string>>;
  /** `ACTIONS_*` of JavaScript actions alone. */
  readonly actionVariables: Readonly<Record<string, string>>;
  /** Where the job reaches GitHub's REST API, as a GitHub Enterprise server has it; undefined where it is not served. */
  readonly apiUrl?: string;
  /** Tokens, to be masked. */
  readonly secrets: readonly string[];
}

export interface Services {
  attach(request: ServiceRequest): Promise<AttachedServices>;
}
