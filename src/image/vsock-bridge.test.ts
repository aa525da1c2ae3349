/** The bridge as it is, but for the sockets' family: a host has no vsock of its own, so unix sockets stand for it, one for each port. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dialHost } from "../guest/dial-host.ts";
import { greetGuest } from "../protocol/greeting.ts";
import { runCommand } from "../lib/run-command.ts";
import { VSOCK_BRIDGE, VSOCK_PORTS } from "./vsock-bridge.ts";

const hasPython = await runCommand(["python3", "--version"]).then(
  () => true,
  () => false,
);

const STAND_IN = `import socket, sys
directory, real = sys.argv[1], socket.socket
class StandIn(real):
    def __init__(self, family=-1, *rest, **more):
        self.is_vsock = family == socket.AF_VSOCK
        super().__init__(socket.AF_UNIX if self.is_vsock else family, *rest, **more)
    def bind(self, address):
        super().bind(f"{directory}/{address[1]}" if self.is_vsock else address)
socket.socket = StandIn
`;

let directory = "";
let bridge: ChildProcess;
const agentLife = new AbortController();
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "hearth-test-vsock-"));
  const program = `${STAND_IN}${VSOCK_BRIDGE.replaceAll("/run/hearth", directory)}`;
  bridge = spawn("python3", ["-I", "-c", program, directory], { stdio: "inherit" });
  bridge.on("error", () => undefined);
});
afterEach(async () => {
  agentLife.abort();
  if (bridge.kill("SIGKILL")) await once(bridge, "exit");
  await rm(directory, { recursive: true });
});

async function dial(port: number): Promise<Socket> {
  for (;;) {
    const socket = connect(join(directory, String(port)));
    try {
      await once(socket, "connect");
      await greetGuest(socket, { deadlineMs: 10_000 });
      return socket.resume();
    } catch {
      // Not listening yet.
      socket.destroy();
      await delay(10);
    }
  }
}

describe.skipIf(!hasPython)(`the vsock bridge${hasPython ? "" : " (not proven: there is no python3)"}`, () => {
  it("joins one host after another to the agent, on both ports, every byte in order", async () => {
    for (const name of ["agent", "egress"]) {
      void dialHost(
        join(directory, name),
        async (session) => {
          session.on("error", () => undefined);
          session.pipe(session);
          await new Promise((resolve) => session.once("close", resolve));
        },
        agentLife.signal,
      );
    }
    for (const port of [VSOCK_PORTS.agent, VSOCK_PORTS.egress, VSOCK_PORTS.agent]) {
      const host = await dial(port);
      const sent = Buffer.alloc(3 << 20, `${port} and more `);
      const received: Buffer[] = [];
      let length = 0;
      const all = new Promise<void>((resolve) => {
        host.on("data", (chunk: Buffer) => {
          received.push(chunk);
          length += chunk.length;
          if (length === sent.length) resolve();
        });
      });
      host.write(sent);
      await all;
      expect(Buffer.concat(received).equals(sent)).toBe(true);
      host.destroy();
    }
  });
});
