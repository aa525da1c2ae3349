import { array, assert, constantFrom, property } from "fast-check";
import { describe, expect, it } from "vitest";
import { createRunnerMap, defaultRunners, runnerLabels } from "./runner-map.ts";
import type { MachineChoice, RunnerAnswer, RunnerEntry, RunnerHost } from "./runner-map.ts";

const own: MachineChoice = { provider: undefined, image: undefined, cpus: undefined, memoryMib: undefined };
const x64: RunnerHost = { arch: "X64", images: [] };

function entry(labels: readonly string[], machine: Partial<MachineChoice>): RunnerEntry {
  return { labels, answer: { kind: "machine", machine: { ...own, ...machine } } };
}

/** In one word: `machine`, `warning`, `unsupported`. */
function word(answer: RunnerAnswer): string {
  if (answer.kind === "unsupported") return "unsupported";
  return answer.warning === undefined ? "machine" : "warning";
}

describe("defaultRunners", () => {
  it.each([
    [["ubuntu-latest"], "machine"],
    [["Ubuntu-24.04"], "machine"],
    [["ubuntu-22.04"], "machine"],
    [["ubuntu-slim"], "machine"],
    [["ubuntu-latest-16-cores"], "machine"],
    [["linux-for-windows"], "machine"],
    [["self-hosted"], "machine"],
    [["self-hosted", "Linux", "X64"], "machine"],
    [["ubuntu-24.04-arm"], "unsupported"],
    [["self-hosted", "linux", "ARM64"], "unsupported"],
    [["self-hosted", "linux", "ARM"], "unsupported"],
    [["buildjet-4vcpu-ubuntu-2204-arm"], "unsupported"],
    [["aarch64"], "unsupported"],
    [["windows-latest"], "unsupported"],
    [["windows-2022"], "unsupported"],
    [["Windows"], "unsupported"],
    [["self-hosted", "windows"], "unsupported"],
    [["depot-windows-2022"], "unsupported"],
    [["blacksmith-4vcpu-windows-2025"], "unsupported"],
    [["macos-14-xlarge"], "unsupported"],
    [["macOS"], "unsupported"],
    [["my_macos14"], "unsupported"],
    [["gpu"], "warning"],
    [["self-hosted", "linux", "gpu"], "warning"],
    [["mywindowsless"], "warning"],
    [["armadillo"], "warning"],
    [["alarm"], "warning"],
  ])("answers %j with %s", (labels, expected) => {
    expect(word(defaultRunners(labels))).toBe(expected);
  });

  it("names the label, why, and what to do", () => {
    expect(defaultRunners(["self-hosted", "windows-2025"])).toEqual({
      kind: "unsupported",
      message:
        "The runner 'windows-2025' is unsupported: machines run Linux. Run this job on GitHub, or leave it out with --skip-unsupported, --job or --matrix",
    });
    expect(defaultRunners(["ubuntu-24.04-arm"])).toMatchObject({
      message: /'ubuntu-24.04-arm'.*of this host are X64/u,
    });
  });

  it("answers the same whatever the case of the labels", () => {
    const label = constantFrom("ubuntu-latest", "windows-2022", "macOS", "arm64", "x64", "gpu", "self-hosted");
    assert(
      property(array(label, { minLength: 1, maxLength: 4 }), (labels) => {
        const upper = labels.map((one) => one.toUpperCase());
        expect(word(defaultRunners(upper))).toBe(word(defaultRunners(labels)));
      }),
    );
  });
});

describe("createRunnerMap", () => {
  it("takes ARM64 labels where the host is one, and says so of x64", () => {
    const runners = createRunnerMap([], { arch: "ARM64", images: [] });
    expect(word(runners(["ubuntu-24.04-arm"]))).toBe("machine");
    expect(word(runners(["ubuntu-latest"]))).toBe("machine");
    expect(word(runners(["self-hosted", "linux", "x64"]))).toBe("unsupported");
  });

  it("takes the entry with the most labels, of those as large the first, and each in any case", () => {
    const runners = createRunnerMap(
      [
        entry(["ubuntu-latest"], { image: "one" }),
        entry(["gpu"], { image: "two" }),
        entry(["Self-Hosted", "GPU"], { image: "three" }),
        entry(["self-hosted", "gpu"], { image: "four" }),
      ],
      x64,
    );
    const imageOf = (labels: readonly string[]) => {
      const answer = runners(labels);
      return answer.kind === "machine" ? answer.machine.image : answer.kind;
    };
    expect(imageOf(["UBUNTU-LATEST"])).toBe("one");
    expect(imageOf(["gpu", "linux"])).toBe("two");
    expect(imageOf(["linux", "gpu", "self-hosted"])).toBe("three");
    expect(imageOf(["ubuntu-24.04"])).toBeUndefined();
  });

  it("prefers an entry to what Hearth thinks of the label by itself, in both directions", () => {
    const runners = createRunnerMap(
      [
        entry(["windows-cross"], { image: "mingw" }),
        { labels: ["ubuntu-22.04"], answer: { kind: "unsupported", message: "too old" } },
      ],
      x64,
    );
    expect(runners(["windows-cross"])).toEqual({ kind: "machine", machine: { ...own, image: "mingw" } });
    expect(runners(["ubuntu-22.04"])).toEqual({ kind: "unsupported", message: "too old" });
  });

  it("does not take an entry for what the entry does not name: another system, another processor", () => {
    const runners = createRunnerMap([entry(["self-hosted"], { image: "own" })], x64);
    expect(word(runners(["self-hosted"]))).toBe("machine");
    expect(word(runners(["self-hosted", "windows"]))).toBe("unsupported");
    expect(word(runners(["self-hosted", "linux", "arm64"]))).toBe("unsupported");
  });

  it("takes an image of this host that carries a label nothing else explains", () => {
    const images = [
      { name: "cuda", labels: ["gpu", "ubuntu-latest"] },
      { name: "hearth", labels: ["ubuntu-latest"] },
    ];
    const runners = createRunnerMap([], { arch: "X64", images });
    expect(runners(["self-hosted", "GPU"])).toEqual({ kind: "machine", machine: { ...own, image: "cuda" } });
    expect(runners(["ubuntu-latest"])).toEqual({ kind: "machine", machine: own });
    expect(runners(["gpu", "fast"])).toMatchObject({ machine: { image: "cuda" }, warning: /'fast'/u });
  });
});

describe("runnerLabels", () => {
  it("reads labels from a string, a sequence and a group, which counts where it has none", () => {
    expect(runnerLabels("a")).toEqual(["a"]);
    expect(runnerLabels(["a", 1])).toEqual(["a", "1"]);
    expect(runnerLabels({ group: "g", labels: ["a"] })).toEqual(["a"]);
    expect(runnerLabels({ group: "g", labels: "a" })).toEqual(["a"]);
    expect(runnerLabels({ group: "windows-runners" })).toEqual(["windows-runners"]);
    expect(runnerLabels({ labels: [] })).toEqual([]);
  });
});
