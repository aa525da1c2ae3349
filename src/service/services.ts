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
  readonly network: NetworkPolicy;
  readonly onDecision: (decision: NetworkDecision) => void;
}

/** Serving one machine. Disposal closes every connection and listener. */
export interface AttachedServices extends AsyncDisposable {
  /** Base of the services' addresses as seen from loopback, without a trailing slash; undefined where the machine's layout names it. */
  readonly url: string | undefined;
}

export interface Services {
  attach(request: ServiceRequest): Promise<AttachedServices>;
}
