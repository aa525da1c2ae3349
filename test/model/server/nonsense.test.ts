/**
 * A real model's server with a model that speaks nonsense in any schema that it is given, asked by the command line as a person
 * would have it: what comes of it is refused by name, nothing of it runs, and many workflows at once are served one after another.
 */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sandbox } from "../../run-hearth.ts";
import type { Sandbox } from "../../run-hearth.ts";
import { startHurryingProxy } from "./hurrying-proxy.ts";
import type { HurryingProxy } from "./hurrying-proxy.ts";
import { startNonsenseServer } from "./nonsense-server.ts";
import type { NonsenseServer } from "./nonsense-server.ts";

/** What a check, the reader of answers or the model itself says. Nothing of a connection, of time or of a limit. */
const REFUSED =
  /^(?:size|form|uses|shell|syntax|splice|expression|secrets|hosts|hidden|inputs|outputs|directory|schema|declined)(?=: )/u;
const LONG = 900_000;

let server: NonsenseServer;
let proxy: HurryingProxy;
beforeAll(async () => {
  server = await startNonsenseServer();
  proxy = await startHurryingProxy(server.url);
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

function environment(): Record<string, string> {
  return {
    LLM_PROVIDER: "openai",
    LLM_BASE_URL: `${proxy.url}/v1`,
    LLM_MODEL: "nonsense",
    HEARTH_LLM_TOKENS: "100000000",
    HEARTH_LLM_TIMEOUT_SECONDS: "280",
    GITHUB_SERVER_URL: "http://127.0.0.1:9",
  };
}

/** Each with one action that is nowhere, and after it a step that leaves a file `ran`. */
async function writeWorkflows(place: Sandbox, count: number): Promise<{ readonly ran: string }> {
  const directory = join(place.directory, ".github", "workflows");
  await mkdir(directory, { recursive: true });
  const ran = join(place.directory, "ran");
  for (let number = 0; number < count; number += 1) {
    const steps = [
      { id: "it", uses: `octo/a${number}@v1` },
      { if: "always()", run: `touch '${ran}'` },
      { run: "echo ${{ steps.it.outputs.path }}" },
    ];
    const workflow = { on: "push", jobs: { job: { "runs-on": "ubuntu-latest", steps } } };
    await writeFile(join(directory, `w${number}.yml`), JSON.stringify(workflow));
  }
  return { ran };
}

/** By workflow: the name of what refused its translation. */
function refusals(text: string): readonly string[] {
  return [...text.matchAll(/'octo\/a\d+@v1'.*?It cannot be translated: (.*)$/gmu)].map(
    ([, reason = ""]) => REFUSED.exec(reason)?.[0] ?? reason,
  );
}

function counted(names: readonly string[]): string {
  const counts = Map.groupBy(names, (name) => name);
  return [...counts].map(([name, all]) => `${all.length} ${name}`).join(", ");
}

describe("a model that speaks nonsense", () => {
  it("gives fifty workflows translations, each refused by name, and none of them runs", { timeout: LONG }, async () => {
    await using place = await sandbox();
    const { ran } = await writeWorkflows(place, 50);
    const before = { requests: proxy.requests, valid: proxy.valid };
    const { exitCode, stdout, stderr } = await place.run(["run", "--provider", "host"], { env: environment() });
    const names = refusals(stdout + stderr);
    const [requests, valid] = [proxy.requests - before.requests, proxy.valid - before.valid];
    process.stdout.write(`50 workflows: ${requests} requests, ${valid} answers of the schema; ${counted(names)}\n`);
    expect(names).toHaveLength(50);
    expect(names.filter((name) => !REFUSED.test(`${name}: `))).toEqual([]);
    // They are of the schema, so it is the checks that refuse them.
    expect(names.filter((name) => name !== "schema" && name !== "size").length).toBeGreaterThan(40);
    expect(new Set(names).size).toBeGreaterThan(1);
    expect(valid).toBeGreaterThanOrEqual(50);
    expect(exitCode).toBe(3);
    expect(existsSync(ran)).toBe(false);
  });

  it("is called unfit by hearth doctor --model, which says why", { timeout: LONG }, async () => {
    await using place = await sandbox();
    const { exitCode, stdout } = await place.run(["doctor", "--model"], { env: environment() });
    process.stdout.write(stdout);
    expect(exitCode).toBe(5);
    expect(stdout).toMatch(/^unfit: openai\/nonsense at http:\/\/127\.0\.0\.1:\d+\/v1\n {2}it /mu);
  });

  it("serves nineteen workflows at once without an error of connection", { timeout: LONG }, async () => {
    await using place = await sandbox();
    await writeWorkflows(place, 19);
    const env = { ...environment(), HEARTH_LLM_CONCURRENCY: "19", MAX_CONCURRENT_WORKFLOWS: "19" };
    const starting = Array.from({ length: 19 }, (_, number) =>
      place.run(["plan", "--translate", `.github/workflows/w${number}.yml`], { env }),
    );
    const ends = await Promise.all(starting);
    const names = ends.flatMap(({ stdout, stderr }) => refusals(stdout + stderr));
    process.stdout.write(`19 processes: at most ${proxy.most} requests at once; ${counted(names)}\n`);
    expect(names).toHaveLength(19);
    expect(names.filter((name) => !REFUSED.test(`${name}: `))).toEqual([]);
    expect(proxy.most).toBeGreaterThan(1);
  });
});
