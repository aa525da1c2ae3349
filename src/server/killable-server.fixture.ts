/**
 * A server's core as a program of its own, to be killed: intake, store, planning of a repository on this host with a plan made up, and a
 * worker that completes what is queued. Arguments: directory, path of the repository (`-`: nothing is planned). HEARTH_FAIL_AT: a fail
 * point, or `name:nth`. Says its port when it listens.
 */
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { anEvent, aWorkflow } from "../plan/plan-fixture.ts";
import { CONNECTION_OPTIONS } from "./connection-limit.ts";
import { lockState } from "./database.ts";
import { armFailPoint, FAIL_POINTS } from "./fail-point.ts";
import { createMirrors } from "./mirror.ts";
import { startDeliveryPlanner } from "./plan-deliveries.ts";
import { findLocalRepositories } from "./repository-path.ts";
import { openServerStore } from "./sqlite-server-store.ts";
import { createWebhookIntake } from "./webhook-intake.ts";

const [directory = "", repositoryPath = "-"] = process.argv.slice(2);
const [failAt, nth] = (process.env["HEARTH_FAIL_AT"] ?? "").split(":");
const point = FAIL_POINTS.find((name) => name === failAt);
if (point !== undefined) armFailPoint(point, Number(nth ?? 1));

await using lock = await lockState(directory);
const monotonicMs = (): number => performance.now();
const store = openServerStore(directory, { now: Date.now, monotonicMs });
store.runs.recover(1_000);

const planning = repositoryPath === "-" ? undefined : await startPlanning();
const intake = createWebhookIntake({
  store,
  secrets: ["secret"],
  isOpen: () => true,
  onAccepted: () => planning?.wake(),
});
const server = createServer(CONNECTION_OPTIONS, (request, response) => void intake(request, response));
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.stdout.write(`${typeof address === "object" ? address?.port : ""}\n`);
});
const working = setInterval(work, 20);
process.once("SIGTERM", () => {
  clearInterval(working);
  server.closeAllConnections();
  server.close();
  void planning?.stop().then(() => store[Symbol.dispose]());
  if (planning === undefined) store[Symbol.dispose]();
});
await new Promise((resolve) => server.once("close", resolve));

async function startPlanning() {
  const local = await findLocalRepositories(repositoryPath);
  const directoryOfMirrors = join(directory, "mirrors");
  const mirrors = createMirrors({
    directory: directoryOfMirrors,
    serverUrl: "https://github.com",
    token: async () => undefined,
    local,
  });
  const workflow = aWorkflow();
  return startDeliveryPlanner({
    store,
    mirrors,
    select: async ({ event }) => {
      const plan = { workflow, event: anEvent({ name: event }), inputs: {}, jobs: [], declaredSteps: 3, heldSteps: 3 };
      return { event: plan.event, results: [{ kind: "planned", plan, warnings: [] }] };
    },
    rehearse: async () => new Map(),
    token: async () => undefined,
    scratch: join(directory, "scratch"),
    serverUrl: "https://github.com",
    serves: () => true,
    askedEnvironments: [],
    log: {
      info: () => undefined,
      warn: (message, facts) => process.stderr.write(`${message} ${JSON.stringify(facts)}\n`),
      error: (message, facts) => process.stderr.write(`${message} ${JSON.stringify(facts)}\n`),
    },
    now: monotonicMs,
    lanes: 4,
  });
}

/** As a worker does: nothing of it is this program's to lose. */
function work(): void {
  for (const run of store.runs.queued(10)) {
    const lease = store.runs.claim(run.id, "worker", 60_000);
    if (lease === undefined) continue;
    const report = {
      key: `run ${run.id}`,
      kind: "status",
      repository: run.repository,
      body: String(lease.attempt),
    } as const;
    store.runs.started(lease, randomUUID());
    store.runs.complete(lease, "success", undefined, [report]);
  }
}
