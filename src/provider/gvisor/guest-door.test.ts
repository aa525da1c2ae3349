import { once } from "node:events";
import { access, mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answerGreeting } from "../../protocol/greeting.ts";
import { openDoor } from "./guest-door.ts";

let directory = "";
let path = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "hearth-test-door-"));
  path = join(directory, "agent.sock");
});
afterEach(async () => rm(directory, { recursive: true }));

describe("openDoor", () => {
  it("gives the stream of the guest that dialled and answered", async () => {
    await using door = await openDoor(path);
    const guest = connect(path);
    await answerGreeting(guest, { deadlineMs: 5_000 });
    const stream = await door.entered;
    stream.write("hello");
    guest.resume();
    expect(String((await once(guest, "data"))[0])).toBe("hello");
  });

  it("lets nobody else in after the first, and its name is gone", async () => {
    await using door = await openDoor(path);
    const guest = connect(path);
    await answerGreeting(guest, { deadlineMs: 5_000 });
    await door.entered;
    await expect(access(path)).rejects.toMatchObject({ code: "ENOENT" });
    await expect(once(connect(path), "connect")).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("does not take for the agent one who gives the wrong answer and hangs up", async () => {
    await using door = await openDoor(path);
    const guest = connect(path);
    guest.end("OK 00000000000000000000000000000000\n");
    await expect(door.entered).rejects.toMatchObject({ code: "MACHINE_LOST" });
  });

  it("shuts with nobody there, twice if asked, and leaves no socket", async () => {
    const door = await openDoor(path);
    await door[Symbol.asyncDispose]();
    await door[Symbol.asyncDispose]();
    await expect(access(path)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("hangs up on its guest when it shuts", async () => {
    const door = await openDoor(path);
    const guest = connect(path);
    await answerGreeting(guest, { deadlineMs: 5_000 });
    await door.entered;
    await door[Symbol.asyncDispose]();
    guest.resume();
    await once(guest, "close");
    expect(guest.destroyed).toBe(true);
  });

  it("says so when the path is too long for a socket", async () => {
    await expect(openDoor(join(directory, "x".repeat(100)))).rejects.toMatchObject({
      code: "MACHINE_START_FAILED",
      hint: expect.stringContaining("--state"),
    });
  });
});
