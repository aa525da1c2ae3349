import { expect, it } from "vitest";
import { runYaml } from "../run-yaml.ts";
import { fakeProvider } from "../../src/provider/fake/provider.ts";
import { makePlainDirectory } from "../../src/checkpoint/plain-directory.ts";
import { tmpdir } from "node:os";
it("x", async () => {
  const yaml = `
on: push
jobs:
  a:
    strategy: { matrix: { n: [1, 2, 3] } }
    runs-on: ubuntu-latest
    steps:
      - run: say one
      - run: say two
      - run: say \${{ matrix.n }}
      - run: say last`;
  const provider = fakeProvider();
  const run = await runYaml(yaml, { provider, forks: { make: (n) => makePlainDirectory("/dev/shm", tmpdir(), n) } });
  console.log(
    run.outcome,
    run.fates,
    run.events
      .filter((e) => !["log", "group", "group_end"].includes(e.type))
      .map((e) => JSON.stringify(e))
      .join("\n"),
  );
  console.log(provider.provisioned.map((m) => m.execs.length));
  expect(1).toBe(1);
});
