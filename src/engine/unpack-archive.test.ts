import { randomBytes } from "node:crypto";
import { packTar } from "modern-tar";
import { describe, expect, it } from "vitest";
import { openAgent } from "../protocol/open-agent.ts";
import { fakeProvider } from "../provider/fake/provider.ts";
import type { FakeKnobs } from "../provider/fake/provider.ts";
import type { BulkInput } from "../provider/provider.ts";
import { unpackArchive } from "./unpack-archive.ts";

const { signal: never } = new AbortController();
const spec = { id: "m", cpus: 1, memoryMib: 1, certificateAuthorities: undefined, image: undefined };
const SMALL = 1_000;
const LARGE = 1_000_000;

interface Delivery {
  /** How the archive came: `bulk` when the stream carried none of it. */
  readonly inputs: number;
  readonly opened: number;
  readonly closed: number;
  readonly whole: boolean;
  readonly error: unknown;
}

/** `breakAfter`: the archive fails after so many pieces. */
async function deliver(
  bytes: number,
  knobs: FakeKnobs,
  { breakAfter = Number.POSITIVE_INFINITY, stop = never } = {},
): Promise<Delivery> {
  const provider = fakeProvider(knobs);
  await using machine = await provider.provision(spec, never);
  await using agent = await openAgent(machine.agent);
  const content = randomBytes(bytes);
  const tar = await packTar([{ header: { name: "f", size: bytes }, body: content }]);
  const count = { opened: 0, closed: 0, inputs: 0 };
  const open = async function* (): AsyncGenerator<Uint8Array> {
    count.opened += 1;
    try {
      for (let at = 0; at < tar.length; at += 65_536) {
        if (at / 65_536 >= breakAfter) throw new Error("broken off");
        yield tar.subarray(at, at + 65_536);
      }
    } finally {
      count.closed += 1;
    }
  };
  const counted: BulkInput | undefined = machine.bulk && {
    write: async (source) => {
      const input = await machine.bulk?.write(source);
      count.inputs += input === undefined ? 0 : 1;
      return input;
    },
  };
  const error = await unpackArchive({ agent, bulk: counted }, "/x", open, stop).catch((reason: unknown) => reason);
  const whole = provider.provisioned[0]?.files.get("/x/f")?.equals(content) ?? false;
  return { ...count, whole, error };
}

const DELIVERED = { opened: 1, closed: 1, whole: true, error: undefined };

describe("an archive is unpacked in a machine", () => {
  it.each([
    ["large, beside the stream", LARGE, { bulk: "takes" }, { ...DELIVERED, inputs: 1 }],
    ["small, on the stream", SMALL, { bulk: "takes" }, { ...DELIVERED, inputs: 0 }],
    ["large, on the stream where there is no other way", LARGE, {}, { ...DELIVERED, inputs: 0 }],
    [
      "large, on the stream from its beginning where there is no room",
      LARGE,
      { bulk: "full" },
      { ...DELIVERED, opened: 2, closed: 2, inputs: 0 },
    ],
  ] as const)("%s", async (_how, bytes, knobs, expected) => {
    expect(await deliver(bytes, knobs)).toEqual(expected);
  });

  it.each([1, 5, 12])("not when it breaks off after %d pieces, and says why", async (breakAfter) => {
    const { error, whole, opened, closed } = await deliver(LARGE, { bulk: "takes" }, { breakAfter });
    expect(error).toMatchObject({ message: "broken off" });
    expect([whole, opened, closed]).toEqual([false, 1, 1]);
  });

  it("not when it is no longer wanted", async () => {
    const stopped = new Error("stopped");
    const { error, whole } = await deliver(LARGE, { bulk: "takes" }, { stop: AbortSignal.abort(stopped) });
    expect([error, whole]).toEqual([stopped, false]);
  });
});
