/** F21: GitHub fails in every way that it has while a thousand final states are reported to it, and the reporter is killed now and then. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { aRun, failed } from "../../src/commands/fake-hearth.ts";
import { aServerRun } from "../../src/github/reported-run.fixture.ts";
import { createRunReporter } from "../../src/github/reporter.ts";
import { startSending, TOKEN } from "../github/sending.ts";
import { startFakeGithub } from "../github/fake-github.ts";
import type { FakeCall, FakeGithub, Fault } from "../github/fake-github.ts";

/** From the number alone, so that a failure can be run again. */
const chance = (seed: string): number => createHash("sha256").update(seed).digest().readUInt32BE() / 2 ** 32;

const script = ({ number }: FakeCall): Fault | undefined => {
  const at = chance(`call ${number}`);
  if (at < 0.06) return { kind: "status", status: 500 };
  if (at < 0.08) return { kind: "status", status: 403, message: "You have exceeded a secondary rate limit" };
  if (at < 0.1) return { kind: "status", status: 429, headers: { "retry-after": "20" } };
  if (at < 0.11)
    return { kind: "status", status: 403, headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "0" } };
  if (at < 0.12) return { kind: "hang", done: chance(`done ${number}`) < 0.5 };
  if (at < 0.17) return { kind: "cut", done: chance(`done ${number}`) < 0.5 };
  return undefined;
};

describe("F21", () => {
  it("brings 1,000 final states through 500, 403, 429, silence and cut connections, in three calls each", async () => {
    const wanted = new Map<string, string>();
    await using github = await startFakeGithub({ token: TOKEN, fault: script });
    const sending = startSending({ apiUrl: github.apiUrl, deadlineMs: 1_000 });
    try {
      for (let id = 1; id <= 600; id += 1) {
        const conclusion =
          (["success", "failure", "cancelled"] as const)[Math.floor(chance(`run ${id}`) * 3)] ?? "failure";
        const kind = id <= 200 ? "statuses" : "checks";
        const reporter = createRunReporter({ kind, comment: false, detailsUrl: () => undefined }, (report) =>
          sending.put(report),
        );
        const run = aServerRun({
          id,
          workflow: `w${id}.yml`,
          headSha: createHash("sha1").update(`${id}`).digest("hex"),
        });
        sending.put(...reporter.standing(run));
        const steps = [{ name: "Test", ...(conclusion === "failure" && { fate: failed }) }];
        for (const [index, body] of aRun(steps, conclusion).entries()) {
          reporter.onEvent(run, { at: "2026-11-22T10:00:00.000Z", ...body });
          if (index % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        }
        sending.put(...reporter.atEnd(run, conclusion, undefined));
        if (kind === "statuses")
          wanted.set(
            `${run.headSha} w${id}.yml (push)`,
            { success: "success", failure: "failure", cancelled: "error" }[conclusion],
          );
        else for (const job of ["", "build"]) wanted.set(`hearth:${id}:1:${job}`, conclusion);
        if (id % 60 === 0) await sending.restart();
      }
      await sending.settled();
      const found = new Map([
        ...github.statuses.map(({ sha, context, state }) => [`${String(sha)} ${String(context)}`, state] as const),
        ...github.checkRuns.map(({ external_id, conclusion }) => [external_id, conclusion] as const),
      ]);
      const correct = [...wanted].filter(([key, state]) => found.get(key) === state).length;
      const twice = github.checkRuns.length - new Set(github.checkRuns.map(({ external_id }) => external_id)).size;
      const calls = callsByKey(github).toSorted((a, b) => a - b);
      const [median = 0, most = 0] = [calls[Math.floor(calls.length / 2)], calls.at(-1)];
      process.stdout.write(
        `F21: ${correct}/${wanted.size} final states correct, ${twice} twice, calls for each: median ${median}, most ${most}, ${github.calls.length} in all\n`,
      );
      expect({ size: wanted.size, correct, twice, abandoned: sending.abandoned }).toEqual({
        size: 1000,
        correct: 1000,
        twice: 0,
        abandoned: [],
      });
      expect(median).toBeLessThanOrEqual(3);
      expect(github.refused).toEqual([]);
    } finally {
      await sending.stop();
    }
  }, 600_000);
});

function callsByKey({ calls, checkRuns }: FakeGithub): number[] {
  const byId = new Map(checkRuns.map(({ id, external_id }) => [String(id), external_id]));
  const names = new Map(checkRuns.map(({ name, external_id }) => [name, external_id]));
  const counts = new Map<string, number>();
  for (const { url, body } of calls) {
    const { pathname, searchParams } = new URL(url, "http://fake");
    const id = byId.get(/check-runs\/(?<id>\d+)/.exec(pathname)?.groups?.["id"] ?? "");
    const key = id ?? names.get(searchParams.get("check_name") ?? "") ?? String(body["external_id"] ?? body["context"]);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts.values()];
}
