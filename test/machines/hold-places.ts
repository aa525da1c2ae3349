/** `node hold-places.ts <directory> <name> <log>`: takes and gives back places, and appends `+memory` and `-memory` to the log. */
import { appendFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { fakeProvider } from "../../src/provider/fake/provider.ts";
import { createAdmission } from "../../src/queue/admission.ts";

const [directory = "", name = "", log = ""] = process.argv.slice(2);
const admission = createAdmission({
  directory,
  runDir: directory,
  temporary: directory,
  host: () => ({ memoryMib: 4000, availableMib: 4000, cores: 64 }),
  now: Date.now,
});
const provider = fakeProvider({ capabilities: { isolation: "container" } });
const never = new AbortController().signal;

async function one(number: number): Promise<void> {
  const memoryMib = 500 + 400 * (number % 3);
  const spec = { id: `${name}-${number}`, cpus: 1, memoryMib, certificateAuthorities: undefined, image: undefined };
  const place = await admission.admit({ spec, provider, run: undefined }, { signal: never, onWait: () => undefined });
  appendFileSync(log, `+${memoryMib}\n`);
  await delay(10 * (number % 4));
  appendFileSync(log, `-${memoryMib}\n`);
  place[Symbol.dispose]();
}

await Promise.all(Array.from({ length: 6 }, (_, number) => one(number)));
