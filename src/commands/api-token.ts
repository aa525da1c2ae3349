/** `hearth api-token add|list|rm`: who may ask the server's API. A token is shown once and kept as a hash. */
import { EngineError } from "../lib/engine-error.ts";
import type { Role } from "../server/api-tokens.ts";
import { minuteText } from "./cell-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { writeTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** The token alone on stdout, for a pipe into where it is kept. */
export async function addApiToken(
  { server }: Hearth,
  terminal: Terminal,
  name: string,
  { role }: { readonly role: Role },
): Promise<ExitCode> {
  const { out, err } = terminal;
  const token = (await server.tokens()).add(name, role, new Date(terminal.now()));
  err.write(`The token ${name} may ${whatOf(role)}. It is shown this once:\n`);
  out.write(`${token}\n`);
  return exitCode.success;
}

export async function listApiTokens(
  { server }: Hearth,
  { out, err }: Terminal,
  { json }: { readonly json?: boolean },
): Promise<ExitCode> {
  const tokens = (await server.tokens()).list();
  if (json === true) out.write(`${JSON.stringify(tokens, undefined, 2)}\n`);
  else if (tokens.length === 0) err.write("There are no tokens: hearth api-token add makes one.\n");
  else {
    const rows = tokens.map(({ name, role, createdAt }) => [name, role, minuteText(createdAt)]);
    writeTable(out, ["NAME", "ROLE", "CREATED"], rows);
  }
  return exitCode.success;
}

export async function removeApiToken({ server }: Hearth, { out }: Terminal, name: string): Promise<ExitCode> {
  if (!(await server.tokens()).remove(name)) {
    throw new EngineError("BAD_USAGE", `There is no token ${JSON.stringify(name)}`, { hint: "hearth api-token list" });
  }
  out.write(`removed ${name}\n`);
  return exitCode.success;
}

function whatOf(role: Role): string {
  return {
    read: "read runs, logs and artifacts",
    run: "read, cancel, run again and dispatch",
    admin: "do everything, approving outsiders' runs among it",
  }[role];
}
