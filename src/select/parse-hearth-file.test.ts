import { assert, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { parseHearthFile } from "./parse-hearth-file.ts";
import type { HearthFile } from "./parse-hearth-file.ts";

function parsed(text: string): HearthFile {
  const result = parseHearthFile(text);
  if (result.kind === "parsed") return result.file;
  throw new Error(result.diagnostics.map((diagnostic) => formatDiagnostic(diagnostic)).join("\n"));
}

function faults(text: string): readonly string[] {
  const result = parseHearthFile(text);
  return result.kind === "parsed" ? [] : result.diagnostics.map((diagnostic) => formatDiagnostic(diagnostic));
}

const machine = { provider: undefined, image: undefined, cpus: undefined, memoryMib: undefined };

describe("parseHearthFile", () => {
  it("reads every key there is", () => {
    const file = parsed(`
runs-on:
  ubuntu-latest: { image: hearth, cpus: 2, memory: 4 GiB }
  self-hosted, gpu:
    provider: qemu
    memory: 512MiB
  windows-latest: { unsupported: no Windows here }
vars: { REGION: eu, PORT: 0x1F, LOUD: true, EMPTY: }
secrets:
  TOKEN: { env: HEARTH_SECRET_TOKEN }
environments:
  Production:
    vars: { REGION: us }
    secrets: { KEY: { file: keys/production } }
  empty:
`);
    expect(file.runners).toEqual([
      {
        at: { line: 3, column: 3 },
        labels: ["ubuntu-latest"],
        machine: { ...machine, image: "hearth", cpus: 2, memoryMib: 4096 },
      },
      {
        at: { line: 4, column: 3 },
        labels: ["self-hosted", "gpu"],
        machine: { ...machine, provider: "qemu", memoryMib: 512 },
      },
      { at: { line: 7, column: 3 }, labels: ["windows-latest"], machine: { unsupported: "no Windows here" } },
    ]);
    expect(Object.fromEntries(file.values.vars)).toEqual({ REGION: "eu", PORT: "0x1F", LOUD: "true", EMPTY: "" });
    expect(file.values.secrets.get("TOKEN")).toMatchObject({ from: "variable", name: "HEARTH_SECRET_TOKEN" });
    expect([...file.environments.keys()]).toEqual(["production", "empty"]);
    const production = file.environments.get("production");
    expect(production?.vars.get("REGION")).toBe("us");
    expect(production?.secrets.get("KEY")).toEqual({
      from: "file",
      name: "keys/production",
      at: { line: 14, column: 16 },
      key: "environments.Production.secrets.KEY",
    });
  });

  it.each(["", "# nothing\n", "runs-on:\nvars: {}\n"])("takes %j for a file that says nothing", (text) => {
    expect(parsed(text)).toMatchObject({ runners: [], environments: new Map() });
  });

  it("reads what a Firecracker machine may ask of its disks, and its balloon", () => {
    const text =
      "runs-on: { a: { provider: firecracker, disk: { bandwidth: 1.5 GiB, operations: 900 }, balloon: 512 MiB } }";
    expect(parsed(text).runners.map(({ machine }) => machine)).toEqual([
      {
        ...machine,
        provider: "firecracker",
        devices: { diskMibPerSecond: 1536, diskOpsPerSecond: 900, balloonMib: 512 },
      },
    ]);
  });

  it("follows aliases", () => {
    expect(parsed("runs-on: { a: &m { cpus: 1 }, b: *m }").runners.map(({ machine }) => machine)).toEqual([
      { ...machine, cpus: 1 },
      { ...machine, cpus: 1 },
    ]);
  });

  it.each([
    ["runs_on: {}", "1:1: error: There is no key 'runs_on' here; allowed are: runs-on, environments, vars, secrets"],
    ["- runs-on", "1:1: error: Expected a mapping"],
    ["vars: { A: 1 }\nvars: { B: 1 }", "2:7: error: The key 'vars' comes twice (vars)"],
    ["runs-on: gpu", "1:10: error: Expected a mapping (runs-on)"],
    ["runs-on:\n  gpu: 1", "2:8: error: Expected a mapping (runs-on.gpu)"],
    [
      "runs-on:\n  gpu: {}",
      "2:8: error: Expected provider, image, cpus, memory, disk, balloon or unsupported (runs-on.gpu)",
    ],
    [
      "runs-on:\n  gpu:",
      "2:7: error: Expected provider, image, cpus, memory, disk, balloon or unsupported (runs-on.gpu)",
    ],
    ["runs-on:\n  gpu: { ram: 1 }", "2:10: error: There is no key 'ram' here; allowed are: provider, image, cpus,"],
    [
      "runs-on:\n  gpu: { provider: docker }",
      "2:20: error: Expected one of: firecracker, gvisor, qemu, host (runs-on.gpu.provider)",
    ],
    ["runs-on:\n  gpu: { image: ../x }", "2:17: error: No image can be called '../x'"],
    ["runs-on:\n  gpu: { cpus: 0 }", "2:16: error: Expected a number from 1 to 256 (runs-on.gpu.cpus)"],
    ["runs-on:\n  gpu: { cpus: '2' }", "2:16: error: Expected a number from 1 to 256"],
    ["runs-on:\n  gpu: { memory: 4096 }", "2:18: error: Expected a size with its unit, such as 2048 MiB or 4 GiB"],
    ["runs-on:\n  gpu: { memory: 255 MiB }", "2:18: error: Expected a size with its unit"],
    ["runs-on:\n  gpu: { memory: 1025 GiB }", "2:18: error: Expected a size with its unit"],
    [
      "runs-on:\n  gpu: { provider: firecracker, disk: { bandwidth: 200 } }",
      "2:52: error: Expected a size with its unit, such as 200 MiB, from 1 MiB to 1024 GiB (runs-on.gpu.disk.bandwidth)",
    ],
    [
      "runs-on:\n  gpu: { provider: firecracker, disk: { operations: 0 } }",
      "2:53: error: Expected a number from 1 to 10000000, which is of a second (runs-on.gpu.disk.operations)",
    ],
    ["runs-on:\n  gpu: { provider: firecracker, disk: {} }", "2:39: error: Expected bandwidth or operations"],
    ["runs-on:\n  gpu: { provider: firecracker, balloon: -1 MiB }", "2:42: error: Expected a size with its unit"],
    [
      "runs-on:\n  gpu: { provider: firecracker, disk: { iops: 1 } }",
      "There is no key 'iops' here; allowed are: bandwidth",
    ],
    [
      "runs-on:\n  gpu: { provider: gvisor, balloon: 1 GiB }",
      "2:37: error: Only Firecracker limits this: say provider: firecracker as well (runs-on.gpu.balloon)",
    ],
    ["runs-on:\n  gpu: { disk: { operations: 9 } }", "2:16: error: Only Firecracker limits this"],
    ["runs-on:\n  gpu: { unsupported: x, image: y }", "2:33: error: What is unsupported has no machine"],
    ["runs-on:\n  ? {}\n  : { cpus: 1 }", "2:5: error: Expected a label, or several with commas between them"],
    ["runs-on:\n  a,: { cpus: 1 }", "2:3: error: Expected a label, or several with commas between them"],
    ["runs-on:\n  a, b: { cpus: 1 }\n  B, A: { cpus: 2 }", "3:9: error: These labels come twice (runs-on.B, A)"],
    ["runs-on:\n  windows-2022: { image: x }", "Machines run Linux, so a job for 'windows-2022' cannot run here"],
    ["runs-on:\n  self-hosted, macOS: { image: x }", "Machines run Linux, so a job for 'macOS' cannot run here"],
    ["vars: { A: [1] }", "1:12: error: Expected a text (vars.A)"],
    ["vars: { A-B: 1 }", "1:9: error: Expected a name of letters, digits and '_'"],
    ["vars: { A: 1, a: 2 }", "1:18: error: 'a' comes twice; case makes no difference (vars.a)"],
    [
      "environments: { p: { keys: 1 } }",
      "1:22: error: There is no key 'keys' here; allowed are: vars, secrets, approval",
    ],
    ["environments: { p: {}, P: {} }", "1:27: error: The environment 'P' comes twice (environments.P)"],
    ["network: open", "1:10: error: Expected a mapping"],
    ["network: { open: true }", "1:12: error: There is no key 'open' here; allowed are: allow"],
    ["network: { allow: example.com }", "1:19: error: Expected a list (network.allow)"],
    ...[
      "127.0.0.1:80",
      "10.0.0.1",
      "0x7f.1",
      "1.2.3.0x4",
      "2130706433",
      "'[::1]:80'",
      "localhost:4873",
      "a.localhost",
      "registry",
      "'*'",
      "'*.com'",
      "a..example",
      "https://example.com",
      "example.com/path",
      "u@example.com",
      "example.com:0",
      "example.com:99999",
      "exämple.com",
      "[a.example]",
    ].map((host): [string, string] => [
      `network: { allow: [ok.example, ${host}] }`,
      host.startsWith("[a")
        ? "error: Expected a host (network.allow[1])"
        : "1:32: error: Expected name.domain, name.domain:port or *.name.domain",
    ]),
    [`network: { allow: [${"a.example,".repeat(257)}] }`, "Expected at most 256 hosts"],
    ["provider: host", "1:1: error: There is no key 'provider' here"],
    ["secrets: { A: { env: X, file: y } }", "Secrets do not stand in a file of the repository"],
    ["secrets: { A: { env: AWS_SECRET_ACCESS_KEY } }", "name must begin with HEARTH_SECRET_"],
    ["secrets: { A: { env: PATH } }", "1:22: error: The variable's name must begin with HEARTH_SECRET_"],
    ["secrets: { A: { file: /root/.ssh/id_ed25519 } }", "1:23: error: Expected a path inside the repository"],
    ["secrets: { A: { file: keys/../../x } }", "1:23: error: Expected a path inside the repository"],
    ["secrets: { A: { file: } }", "Expected a path inside the repository"],
    ["a: [", "1:"],
    ["a: *b", "1:4: error: The alias '*b' has no anchor before it"],
  ])("refuses %j with the place and what is allowed", (text, message) => {
    const found = faults(text);
    expect(found.join("\n")).toContain(message);
    for (const line of found) expect(line).toMatch(/^hearth\.yml:\d+:\d+: error: /u);
  });

  it("never repeats a value that stands where a secret's source belongs", () => {
    for (const text of ["secrets: { A: hunter2 }", "environments: { p: { secrets: { A: [hunter2] } } }"]) {
      const [line, ...others] = faults(text);
      expect(line).toContain("error: Secrets do not stand in a file of the repository");
      expect([line, ...others].join()).not.toContain("hunter2");
    }
  });

  it("tells all faults at once, in their order", () => {
    expect(faults("x: 1\nvars: { A: [] }\nruns-on: { a: { cpus: many } }").map((line) => line.split(" ")[0])).toEqual([
      "hearth.yml:1:1:",
      "hearth.yml:2:12:",
      "hearth.yml:3:23:",
    ]);
  });

  it("bears aliases that multiply, nesting without end and text without end (A05-A07)", () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let level = 1; level < 12; level += 1) {
      const before = `*a${level - 1}`;
      lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => before).join(", ")}]`);
    }
    const startedAt = performance.now();
    expect(faults(lines.join("\n")).join()).toContain("Maximum");
    expect(faults("[".repeat(100_000)).join()).toContain("Maximum");
    expect(faults(`vars: { A: ${"x".repeat(2_000_000)} }`).join()).toContain("maximum file size");
    expect(faults("vars: &v { A: *v }").join()).toContain("contains itself");
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it("answers any text with a file or with faults", () => {
    assert(
      property(string({ unit: "grapheme", maxLength: 60 }), (text) => {
        expect(["parsed", "refused"]).toContain(parseHearthFile(`runs-on: ${text}\nvars: {${text}}`).kind);
      }),
    );
  });
});
