/** The guest's end of `/shell`: one stream of HTTP/2 is one terminal, until the program ends or the stream is closed. */
import type { ServerHttp2Stream } from "node:http2";
import type { ExecExit, ShellRequest } from "./agent-api.ts";
import type { AgentHandlers } from "./agent-handlers.ts";
import { decodeShellFrames } from "./shell-frame.ts";
import type { ShellFrame, ShellInput } from "./shell-frame.ts";

/** The head of the answer and its output; the end is the caller's. Throws for an opening that is none. */
export async function serveShell(
  stream: ServerHttp2Stream,
  parse: (value: unknown) => ShellRequest,
  handlers: Pick<AgentHandlers, "shell">,
): Promise<ExecExit> {
  const gone = new AbortController();
  stream.once("close", () => gone.abort());
  // Not destroyed when reading ends early: it is also the way on which the refusal is answered.
  const frames = decodeShellFrames(stream.iterator({ destroyOnReturn: false }));
  const first = await frames.next();
  if (first.done === true || first.value.kind !== "opening") throw new Error("a shell without an opening");
  const request = parse(JSON.parse(first.value.json));
  stream.respond({ ":status": 200 }, { waitForTrailers: true });
  return await handlers.shell(request, {
    input: inputOf(frames),
    write: (bytes) => stream.destroyed || stream.write(bytes),
    onDrain: (resume) => stream.on("drain", resume),
    gone: gone.signal,
  });
}

async function* inputOf(frames: AsyncIterable<ShellFrame>): AsyncGenerator<ShellInput> {
  for await (const frame of frames) if (frame.kind !== "opening") yield frame;
}
