/**
 * The host loses power while a server takes deliveries: nothing that was acknowledged is lost, the database is whole, and the server that
 * is started again goes on (SECURITY-RELIABILITY F17). With strace(1), which Debian has as a package; without machines.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whyNoStrace } from "../fsync-fault.ts";
import { cutPower, recordServers } from "../power-loss.ts";
import type { RecordedServer } from "../power-loss.ts";
import { sandbox } from "../run-hearth.ts";
import type { Sandbox } from "../run-hearth.ts";

const why = whyNoStrace();

describe.skipIf(why !== undefined)(`a power cut${why === undefined ? "" : ` (${why})`}`, () => {
  let box: Sandbox;
  let recorded: RecordedServer;

  beforeAll(async () => {
    box = await sandbox();
    recorded = await recordServers(box);
  });
  afterAll(() => box[Symbol.asyncDispose]());

  it("is tried on a record of commits, of a log moved into the database, and of two ends", () => {
    const synced = (path: string): number =>
      recorded.records.filter((record) => record.kind === "sync" && record.path === path).length;
    expect(recorded.deliveries.size).toBe(96);
    expect(synced("server.db-wal")).toBeGreaterThan(96);
    // Made; moved into at least once while deliveries come in; and at each end.
    expect(synced("server.db")).toBeGreaterThanOrEqual(4);
    expect(synced(".")).toBeGreaterThanOrEqual(3);
  });

  it("takes nothing that was acknowledged, and the database is whole", () => {
    const { acknowledged, ...found } = cutPower(box, recorded, { cuts: 100, seed: 17 });
    expect(found).toEqual({ cuts: 100, lost: [], damaged: [], stuck: [] });
    expect(acknowledged).toBeGreaterThan(1000);
  });

  it("takes acknowledged deliveries from a server that leaves out the sync at each commit, and leaves the database whole", () => {
    const { lost, damaged } = cutPower(box, recorded, { cuts: 40, seed: 17, syncs: "normal" });
    expect(damaged).toEqual([]);
    expect(lost.length).toBeGreaterThan(0);
  });

  it("takes acknowledged deliveries where the names of new files are not synced", () => {
    expect(cutPower(box, recorded, { cuts: 40, seed: 17, syncs: "files" }).lost.length).toBeGreaterThan(0);
  });

  it("takes acknowledged deliveries and damages the database where nothing is synced", () => {
    const { lost, damaged } = cutPower(box, recorded, { cuts: 100, seed: 17, syncs: "none" });
    expect(lost.length).toBeGreaterThan(0);
    expect(damaged.length).toBeGreaterThan(0);
  });
});
