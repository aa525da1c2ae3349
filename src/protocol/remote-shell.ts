/** The host's end of one `/shell`: what is typed goes out as frames, beside the answer that comes in. */
import type { ExecExit } from "./agent-api.ts";
import type { ShellSession } from "./agent-client.ts";
import type { AnswerStream } from "./answer-stream.ts";
import { encodeInput, encodeSize } from "./shell-frame.ts";

/** How a program ends whose terminal was taken away. */
export const HUNG_UP: ExecExit = { code: null, signal: "SIGHUP" };

/** Without a stream for one that was never opened. */
export function remoteShell(
  stream: Pick<AnswerStream, "sendBeside" | "endBody"> | undefined,
  ended: Promise<ExecExit>,
  hangUp: () => void,
): ShellSession {
  // Whoever asks hears of it; one who only types must not end the process.
  ended.catch(() => undefined);
  return {
    async write(bytes) {
      for (const frame of encodeInput(bytes)) await stream?.sendBeside(frame);
    },
    resize: (size) => void stream?.sendBeside(encodeSize(size)),
    endInput: () => stream?.endBody(),
    hangUp,
    ended,
  };
}
