/** GitHub's own packages, unmodified, in a gVisor machine: everything they ask for goes through its egress stream. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { clientsPassed, runClients, writeClientProject } from "../clients/workflow.ts";
import { sandbox } from "../run-hearth.ts";

it("caches, artifacts, identity, proxy and the rest work as on GitHub", { timeout: 600_000 }, async () => {
  await using place = await sandbox();
  await using outside = await listenOutside();
  const project = join(place.directory, "project");
  await mkdir(project);
  execFileSync("git", ["init", "-q", "-b", "main", project]);
  const url = `http://${outside.place}/`;
  await writeClientProject(project, { cacheBytes: [1, 1 << 20, 200 << 20], artifactMegabytes: 200, url });
  expect(await runClients(place, project, ["gvisor", "--allow-host", outside.place])).toEqual(clientsPassed);
});

/** Clients never ask a proxy for loopback, so it listens where others could reach it. */
async function listenOutside(): Promise<AsyncDisposable & { readonly place: string }> {
  const server = createServer((_, response) => void response.end("here\n"));
  const addresses = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  const address = addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
  if (address === undefined) throw new Error("this host has no address but loopback");
  server.listen(0, address);
  await once(server, "listening");
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("a TCP listener has a port");
  return {
    place: `${address}:${bound.port}`,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
