/** An archive of 50 MiB into a QEMU machine: through the stream to its agent, and as bulk input beside it. */
import { randomBytes } from "node:crypto";
import { availableParallelism, loadavg } from "node:os";
import { packTar } from "modern-tar";
import { compose } from "../src/compose.ts";
import { loadConfig } from "../src/config.ts";
import { openAgent } from "../src/protocol/open-agent.ts";
import { say } from "./samples.ts";

const SIZE_MIB = 50;
const PIECE_BYTES = 64 << 10;
const ROUNDS = 3;

export async function measureBulk(): Promise<void> {
  const { signal } = new AbortController();
  const hearth = compose(loadConfig({ provider: "qemu" }, process.env, process.cwd()), process.env);
  const { provider, isolation } = await hearth.chooseProvider();
  const spec = { id: `bench-bulk-${process.pid}`, cpus: 1, memoryMib: 1024, certificateAuthorities: undefined };
  await using machine = await provider.provision({ ...spec, image: undefined }, signal);
  await using agent = await openAgent(machine.agent);
  const { bulk } = machine;
  if (bulk === undefined) throw new Error(`${isolation} takes no bulk input`);
  // Nothing in it that anybody could make less of.
  const body = randomBytes(SIZE_MIB << 20);
  const tar = await packTar([{ header: { name: "file", size: body.length }, body }]);
  const place = `${machine.layout.temp}/bulk`;
  const times: { [way in "stream" | "bulk"]: number[] } = { stream: [], bulk: [] };
  // One after the other, so that a busy moment of the host is in both.
  for (let round = 0; round < ROUNDS; round++) {
    for (const way of ["stream", "bulk"] as const) {
      const startedAt = performance.now();
      if (way === "stream") {
        await agent.unpack(place, inPieces(tar));
      } else {
        const input = await bulk.write(inPieces(tar));
        if (input === undefined) throw new Error("no room for bulk input");
        await agent.unpackInput(place, input, signal);
      }
      times[way].push(performance.now() - startedAt);
      await agent.reset({ empty: [place] });
    }
  }
  const load = loadavg().map((value) => value.toFixed(1));
  say(
    `\n${SIZE_MIB} MiB unpacked in ${isolation}; ${availableParallelism()} cores, load ${load.join(" ")}; medians of ${ROUNDS}`,
  );
  for (const [way, all] of Object.entries(times)) {
    const seconds = all.toSorted((a, b) => a - b).map((ms) => (ms / 1_000).toFixed(1));
    say(`  ${way.padEnd(8)} ${seconds[ROUNDS >> 1]} s (${seconds[0]} to ${seconds.at(-1)})`);
  }
}

async function* inPieces(tar: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < tar.length; at += PIECE_BYTES) yield tar.subarray(at, at + PIECE_BYTES);
}
