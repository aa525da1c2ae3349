import { describe, expect, it } from "vitest";
import { Masker } from "../joblog/masker.ts";
import type { ServedJob } from "../service/services.ts";
import { admitFormerTokens, takeOwnTokens } from "./matrix-fork-copy.ts";
import { newJobState, setVariable } from "./job-state.ts";
import { someClaims } from "../service/service-door.fixture.ts";

describe("the state of a job that another cell goes on with", () => {
  it("names that cell's tokens wherever it named those of the job, and is otherwise as it was", () => {
    const state = newJobState({ AUTH: "bearer old-token", OTHER: "kept" }, {});
    setVariable(state, "__proto__", "old-token");
    state.scope.steps["login"] = {
      outputs: { header: basic("old-token"), run: "old-run" },
      outcome: "success",
      conclusion: "success",
    };
    state.saved["1"] = { token: "old-run" };
    const from = { job: "old-token", services: ["old-run", "old-id"] };
    takeOwnTokens(state, from, { job: "new-token", services: ["new-run", "new-id"] });
    expect({ ...state.env }).toEqual({ AUTH: "bearer new-token", OTHER: "kept", ["__proto__"]: "new-token" });
    expect(state.scope.steps["login"]?.outputs).toEqual({ header: basic("new-token"), run: "new-run" });
    expect(state.saved["1"]).toEqual({ token: "new-run" });
  });
});

function basic(token: string): string {
  return Buffer.from(`x-access-token:${token}`).toString("base64");
}

describe("in a copy of its machine", () => {
  const open = new Set<string>();
  const openJob = async ({ token }: ServedJob) => {
    open.add(token);
    const close = (): void => void open.delete(token);
    return { stepVariables: {}, actionVariables: {}, secrets: [`services-${token}`], [Symbol.dispose]: close };
  };

  it("the tokens of the jobs before it open the services until it ends, and what they are given is masked", async () => {
    const masker = new Masker();
    const layout = { servicesUrl: "http://10.77.0.1:9009" };
    const own = someClaims({ token: "own" });
    {
      using former = await admitFormerTokens({ openJob, layout }, own, masker, ["first", "second", "own", "first"]);
      expect([...open]).toEqual(["first", "second"]);
      expect(masker.mask("services-second")).toBe("***");
    }
    expect([...open]).toEqual([]);
  });

  it("nothing is opened where the services have another address in each machine", async () => {
    using former = await admitFormerTokens(
      { openJob, layout: { servicesUrl: undefined } },
      someClaims({}),
      new Masker(),
      ["first"],
    );
    expect([...open]).toEqual([]);
  });
});
