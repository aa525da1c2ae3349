/** A tar archive into a machine: on the stream to its agent, or beside it where the machine has a quicker way. */
import type { AgentClient } from "../protocol/agent-client.ts";
import type { InputRange } from "../protocol/agent-api.ts";
import type { BulkInput } from "../provider/provider.ts";

/** A smaller one is through the stream before the machine has turned to its disk. */
const BULK_FROM_BYTES = 256 << 10;

interface Places {
  readonly agent: AgentClient;
  readonly bulk: BulkInput | undefined;
}

/**
 * `open` gives the archive from its beginning; it is called a second time when the quicker way turns out to be full. Throws what
 * the archive and the agent throw, and the signal's reason. The archive is closed whatever happens.
 */
export async function unpackArchive(
  { agent, bulk }: Places,
  path: string,
  open: () => AsyncIterable<Uint8Array>,
  stop: AbortSignal,
): Promise<void> {
  if (bulk === undefined) return await agent.unpack(path, open());
  const way = await chooseWay(bulk, open());
  if (way === "no room") return await agent.unpack(path, open());
  if ("pieces" in way) return await agent.unpack(path, rejoined(way.pieces));
  return await agent.unpackInput(path, way, stop);
}

/** The whole of a small archive, or where a large one has been put. */
async function chooseWay(
  bulk: BulkInput,
  archive: AsyncIterable<Uint8Array>,
): Promise<{ readonly pieces: readonly Uint8Array[] } | InputRange | "no room"> {
  const rest = archive[Symbol.asyncIterator]();
  try {
    const pieces: Uint8Array[] = [];
    for (let bytes = 0; bytes < BULK_FROM_BYTES;) {
      const next = await rest.next();
      if (next.done === true) return { pieces };
      pieces.push(next.value);
      bytes += next.value.length;
    }
    return (await bulk.write(rejoined(pieces, rest))) ?? "no room";
  } finally {
    await rest.return?.();
  }
}

async function* rejoined(pieces: readonly Uint8Array[], rest?: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* pieces;
  for (let next = await rest?.next(); next?.done === false; next = await rest?.next()) yield next.value;
}
