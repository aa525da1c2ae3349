/**
 * A Firecracker that is none: its command line, its API on a unix socket, each request checked by the OpenAPI description and by
 * the order rules, its refusals. Behind it stands what the knobs say (`guest.ts`). Run by the programs that `programs.ts` writes.
 */
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { greetingGuest, listenForHosts, qemuGuest } from "./guest.ts";
import type { FakeGuest } from "./guest.ts";
import type { FakeKnobs } from "./knobs.ts";
import { MachineState, Refusal } from "./machine-state.ts";
import type { Effect } from "./machine-state.ts";
import { hasDescription, requestFaults } from "./openapi.ts";

const knobs: FakeKnobs = JSON.parse(process.env["FAKE_FIRECRACKER"] ?? "{}");
const { values } = parseArgs({
  options: {
    version: { type: "boolean" },
    id: { type: "string" },
    "api-sock": { type: "string" },
    "start-time-us": { type: "string" },
    "start-time-cpu-us": { type: "string" },
  },
});
if (values.version === true) {
  process.stdout.write(`Firecracker v${knobs.version}\n\nSupported snapshot data format versions: v5.0.0\n`);
  process.exit(0);
}
if (knobs.dieAtOnce !== undefined) {
  process.stderr.write(`${knobs.dieAtOnce}\n`);
  process.exit(153);
}

const machine = new MachineState(knobs.version);
let guest: FakeGuest | undefined;

createServer((request, response) => {
  const call = `${request.method} ${request.url}`;
  void text(request).then((content) => {
    const body: unknown = content === "" ? undefined : JSON.parse(content);
    if (knobs.hang?.includes(call) === true) return;
    if (knobs.breakDown?.includes(call) === true) answer(call, body, response, 500, {});
    else serve(call, body, response);
  });
}).listen(values["api-sock"]);

function serve(call: string, body: unknown, response: ServerResponse): void {
  const [method = "", path = ""] = call.split(" ");
  const faults = hasDescription ? requestFaults(method, path, body) : [];
  const words = faults.length > 0 ? `not as described: ${faults.join("; ")}` : knobs.refuse?.[call];
  if (words !== undefined) {
    answer(call, body, response, 400, { fault_message: words });
    return;
  }
  try {
    const effect = machine.take(method, path, body);
    act(effect);
    answer(
      call,
      body,
      response,
      effect.kind === "answer" ? 200 : 204,
      effect.kind === "answer" ? effect.value : undefined,
    );
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    answer(call, body, response, 400, { fault_message: error.message });
  }
}

function act(effect: Effect): void {
  switch (effect.kind) {
    case "start":
      if (knobs.guest === "silent") return;
      guest = bootGuest();
      if (machine.vsock !== undefined) listenForHosts(machine.vsock, guest);
      if (knobs.dieAfterStartMs !== undefined)
        setTimeout(() => process.kill(process.pid, "SIGKILL"), knobs.dieAfterStartMs);
      return;
    case "pause":
    case "resume":
      guest?.setState(effect.kind === "pause" ? "stop" : "cont");
      return;
    case "save":
      if (knobs.guest === "qemu") throw new Refusal("This fake saves no guest of QEMU.");
      writeFileSync(effect.files.snapshot_path, effect.content);
      writeFileSync(effect.files.mem_file_path, "memory");
      return;
    case "load":
      machine.restore(readFileSync(effect.file, "utf8"), effect.vsock, effect.resumes);
      guest = greetingGuest(machine);
      if (machine.vsock !== undefined) listenForHosts(machine.vsock, guest);
      return;
    case "none":
    case "answer":
  }
}

function bootGuest(): FakeGuest {
  const isProbe = machine.vsock === undefined;
  if (knobs.guest === "none" || (isProbe && knobs.answersProbe === true)) return greetingGuest(machine);
  return qemuGuest(machine, values.id ?? "");
}

function answer(
  call: string,
  body: unknown,
  response: ServerResponse,
  status: number,
  value: object | undefined,
): void {
  if (knobs.log !== undefined) appendFileSync(knobs.log, `${JSON.stringify({ call, body, status })}\n`);
  response.writeHead(status, { "content-type": "application/json" });
  response.end(value === undefined ? undefined : JSON.stringify(value));
}
