/** `hearth oidc jwks|rotate`: the keys that identity tokens of this host are checked by. */
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import type { Terminal } from "./terminal.ts";

/** The set as RFC 7517 has it, to be served at `<issuer>/.well-known/jwks` or given to whoever is to believe the tokens. */
export async function printKeys({ identity }: Hearth, { out }: Terminal): Promise<ExitCode> {
  out.write(`${JSON.stringify({ keys: await identity.publicKeys() }, undefined, 2)}\n`);
  return exitCode.success;
}

export async function rotateKeys({ identity }: Hearth, { err }: Terminal): Promise<ExitCode> {
  await identity.rotate();
  err.write("A new key signs from now on. Publish the new set: hearth oidc jwks\n");
  return exitCode.success;
}
