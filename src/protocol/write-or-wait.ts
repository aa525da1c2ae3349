/** Writing at the pace of whoever reads. */
import type { Writable } from "node:stream";

/** Resolves when there is room for more, or nobody takes anything any more; what comes after that is dropped. Never rejects. */
export async function writeOrWait(stream: Writable, chunk: unknown): Promise<void> {
  if (stream.destroyed || stream.writableEnded || stream.write(chunk)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off("drain", done).off("close", done);
      resolve();
    };
    stream.on("drain", done).on("close", done);
  });
}
