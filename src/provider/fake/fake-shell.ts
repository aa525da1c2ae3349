/**
 * A program with a terminal, without either: says who and where it is and its size, echoes what is typed, and takes three commands:
 * `exit N`, `size`, `env NAME`. A host that hangs up ends it.
 */
import type { ExecExit, ShellRequest } from "../../protocol/agent-api.ts";
import type { ShellListener } from "../../protocol/agent-handlers.ts";

export async function fakeShell(request: ShellRequest, host: ShellListener): Promise<ExecExit> {
  const gone = Promise.withResolvers<ExecExit>();
  host.gone.addEventListener("abort", () => gone.resolve({ code: null, signal: "SIGKILL" }));
  if (host.gone.aborted) return await gone.promise;
  return await Promise.race([converse(request, host), gone.promise]);
}

async function converse({ argv, cwd, env, user, size: first }: ShellRequest, host: ShellListener): Promise<ExecExit> {
  const say = async (text: string | Buffer): Promise<void> => {
    if (!host.write(Buffer.from(text))) await new Promise<void>((resolve) => host.onDrain(resolve));
  };
  let size = first;
  let typed = "";
  await say(`${user} ${argv.join(" ")} in ${cwd}\r\n`);
  for await (const piece of host.input) {
    if (piece.kind === "size") {
      size = piece.size;
      continue;
    }
    await say(piece.bytes);
    typed += piece.bytes.toString();
    for (let end = typed.search(/[\r\n]/); end >= 0; end = typed.search(/[\r\n]/)) {
      const [command, argument = ""] = typed.slice(0, end).split(" ");
      typed = typed.slice(end + 1);
      if (command === "exit") return { code: Number(argument), signal: null };
      if (command === "size") await say(`${size.columns}x${size.rows}\r\n`);
      if (command === "env") await say(`${argument}=${env[argument] ?? ""}\r\n`);
    }
  }
  return { code: 0, signal: null };
}
