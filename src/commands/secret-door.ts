/** What commands need of the secrets and variables that this host keeps for its server. `compose.ts` implements it. */
import type { SecretScope } from "../secret/secret-name.ts";
import type { SecretKind, SecretSummary } from "../secret/secret-store.ts";

export interface SecretDoor {
  /** Throws BAD_USAGE for a name, a place or a value that GitHub does not take; BAD_CONFIG for a key that cannot be used. */
  set(kind: SecretKind, scope: SecretScope, name: string, value: string): Promise<void>;
  /** False: there was none. */
  remove(kind: SecretKind, scope: SecretScope, name: string): Promise<boolean>;
  /** By name; values of variables alone. */
  list(kind: SecretKind, scope: SecretScope): Promise<readonly SecretSummary[]>;
  /** `owner/name` of the repository around the working directory. Throws BAD_USAGE where there is none. */
  repositoryHere(): Promise<string>;
}
