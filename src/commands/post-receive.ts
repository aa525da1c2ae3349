/** `hearth post-receive`: what the hook of a bare repository calls, so that a push to it is a push to the server of this host. */
import { EngineError } from "../lib/engine-error.ts";
import { counted } from "./counted.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import type { Terminal } from "./terminal.ts";

/** On stdin is what git says of the refs. A push has happened whatever this comes to. */
export async function postReceive({ server }: Hearth, terminal: Terminal, repository: string): Promise<ExitCode> {
  const [owner = "", name = "", ...rest] = repository.split("/");
  if (owner === "" || name === "" || rest.length > 0) {
    throw new EngineError("BAD_USAGE", `${JSON.stringify(repository)} names no repository: owner/name`);
  }
  const pusher = terminal.environment("USER") ?? terminal.environment("LOGNAME") ?? "git";
  const refs = await server.received({ owner, name }, (await terminal.readInput()) ?? "", pusher);
  terminal.err.write(`hearth: ${counted(refs, "ref")} pushed\n`);
  return exitCode.success;
}
