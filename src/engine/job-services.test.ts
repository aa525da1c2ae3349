import { describe, expect, it } from "vitest";
import { Masker } from "../joblog/masker.ts";
import type { JobClaims, JobServices, ServedJob } from "../service/services.ts";
import { serveJob } from "./job-services.ts";

const claims: JobClaims = {
  runId: "1",
  runNumber: 1,
  runAttempt: 1,
  job: "build",
  repository: { owner: "o", name: "r", id: "1", ownerId: "2", defaultBranch: "main" },
  event: "push",
  ref: "refs/heads/main",
  sha: "a".repeat(40),
  headRef: "",
  baseRef: "",
  actor: "alice",
  actorId: "3",
  workflow: { name: "CI", ref: "", sha: "" },
  jobWorkflow: { ref: "", sha: "" },
  environment: "",
  permissions: { "id-token": "none" },
  trusted: true,
  token: "t",
  lifetimeMs: 1,
};

/** Services that remember when they were opened and closed. */
function fakeMachine(fault?: Error) {
  const calls: string[] = [];
  const opened: JobServices = {
    stepVariables: { ACTIONS_ID_TOKEN_REQUEST_TOKEN: "for-identity" },
    actionVariables: { ACTIONS_RUNTIME_TOKEN: "for-runtime" },
    secrets: ["for-runtime", "for-identity"],
    [Symbol.dispose]: () => void calls.push("close"),
  };
  return {
    calls,
    async openJob(given: JobClaims): Promise<JobServices> {
      calls.push(`open ${given.job}`);
      if (fault !== undefined) throw fault;
      return opened;
    },
  };
}

describe("serveJob", () => {
  it("gives actions the runtime token and scripts none, and masks both tokens", async () => {
    const machine = fakeMachine();
    const masker = new Masker();
    await using services = serveJob(machine, { ...claims, permissions: { "id-token": "write" } }, masker);
    expect(await services.forScript()).toEqual({ ACTIONS_ID_TOKEN_REQUEST_TOKEN: "for-identity" });
    expect(await services.forAction()).toEqual({
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: "for-identity",
      ACTIONS_RUNTIME_TOKEN: "for-runtime",
    });
    expect(masker.mask("for-runtime for-identity")).toBe("*** ***");
    expect(machine.calls).toEqual(["open build"]);
  });

  it("lets the services search uploads for what is secret then, the job's tokens among it until it ends", async () => {
    const masker = new Masker();
    masker.addSecrets({ KEY: "given-to-the-run" });
    const served: ServedJob[] = [];
    const found = (): readonly (boolean | undefined)[] =>
      ["given-to-the-run", "for-runtime", "other-text"].map((text) => served[0]?.startScan()(Buffer.from(text)));
    {
      const machine = fakeMachine();
      const openJob = (job: ServedJob): Promise<JobServices> => {
        served.push(job);
        return machine.openJob(job);
      };
      await using services = serveJob({ openJob }, claims, masker);
      await services.forAction();
      expect(found()).toEqual([true, true, false]);
    }
    expect(found()).toEqual([true, false, false]);
    expect(masker.mask("for-runtime")).toBe("***");
  });

  it("opens nothing for scripts of a job that may not have an identity, nor at the end of such a job", async () => {
    const machine = fakeMachine();
    {
      await using services = serveJob(machine, claims, new Masker());
      expect(await services.forScript()).toEqual({});
    }
    expect(machine.calls).toEqual([]);
  });

  it("opens once for steps that run at once, and closes with the job", async () => {
    const machine = fakeMachine();
    {
      await using services = serveJob(machine, claims, new Masker());
      await Promise.all([services.forAction(), services.forAction()]);
    }
    expect(machine.calls).toEqual(["open build", "close"]);
  });

  it("fails the step that wants services which cannot be had, and not the end of the job", async () => {
    const machine = fakeMachine(new Error("no port"));
    {
      await using services = serveJob(machine, claims, new Masker());
      await expect(services.forAction()).rejects.toThrow("no port");
    }
    expect(machine.calls).toEqual(["open build"]);
  });
});
