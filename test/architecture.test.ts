/**
 * The direction of imports (HOUSE-STYLE §2, docs/adr/0001). Reads the import statements of every source file; a file may
 * import its own folder and what stands lower in `LAYERS`. The planted violations prove that the check can fail.
 */
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..", "src");

/** They know the ports, never the engine, and one another only as `ALSO` says. */
const ADAPTERS = [
  "guest",
  "builtin",
  "image",
  "service",
  "git",
  "store",
  "checkpoint",
  "setup",
  "translate/model",
  "provider/host",
  "provider/fake",
  "provider/gvisor",
  "provider/qemu",
  "provider/firecracker",
];

/** Lower may not import higher. Folders in one entry may not import one another, except as `ALSO` says. */
const LAYERS: readonly (readonly string[])[] = [
  ["lib"],
  ["protocol"],
  ["expression"],
  ["workflow"],
  ["context"],
  ["plan"],
  ["action"],
  ["lint"],
  ["translate"],
  ["provider/provider.ts"],
  ["provider/machine-claims.ts", "provider/machine-processes.ts"],
  ["provider/cgroup-root.ts"],
  ["provider/cgroup.ts"],
  ["provider/choose-provider.ts", "provider/cgroup.ts", "provider/vm-account.ts"],
  ["pool", "queue", "survey", "template"],
  ["store/run-event.ts"],
  ["store/run-store.ts", "service/services.ts", "checkpoint/checkpoints.ts"],
  ["joblog"],
  ["door"],
  ["engine"],
  ADAPTERS,
  ["provider/reaper.ts", "provider/machine-list.ts"],
  ["select", "telemetry"],
  ["secret", "server/server-store.ts"],
  ["github"],
  ["server"],
  ["commands"],
  ["agent-bundle.ts", "builtin-bundle.ts", "config.ts", "server-config.ts"],
  ["way-outside.ts"],
  [
    "run-api.ts",
    "held-machines.ts",
    "host-checkpoints.ts",
    "host-machines.ts",
    "host-templates.ts",
    "host-model.ts",
    "host-traces.ts",
    "server-host.ts",
    "server-github.ts",
    "server-facts.ts",
    "server-offline.ts",
    "server-way.ts",
    "server-backup.ts",
  ],
  ["open-machine.ts"],
  ["compose-server.ts"],
  ["compose.ts"],
  ["main.ts"],
];

/** What stands beside its importer. */
const ALSO: Readonly<Record<string, readonly string[]>> = {
  "provider/host": ["guest"],
  pool: ["queue"],
  "provider/gvisor": ["image"],
  "provider/qemu": ["image"],
  "provider/firecracker": ["image", "provider/qemu"],
  setup: ["image", "provider/gvisor", "provider/qemu", "provider/firecracker"],
};

/** What stands lower and is still not theirs. The agent ships into a hostile place and knows only the protocol. */
const NEVER: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(ADAPTERS.map((adapter) => [adapter, ["engine", "joblog"]])),
  builtin: LAYERS.flat().filter((unit) => !["lib", "builtin"].includes(unit)),
  guest: LAYERS.flat().filter((unit) => !["lib", "protocol", "guest"].includes(unit)),
};

interface Import {
  readonly from: string;
  readonly to: string;
}

function unitOf(file: string): string {
  const units = LAYERS.flat().toSorted((a, b) => b.length - a.length);
  const unit = units.find((name) => file === name || file.startsWith(`${name}/`));
  if (unit === undefined) throw new Error(`src/${file} stands in no layer: add its folder to LAYERS`);
  return unit;
}

function layerOf(unit: string): number {
  return LAYERS.findIndex((layer) => layer.includes(unit));
}

function upward(imports: readonly Import[]): string[] {
  return imports
    .filter(({ from, to }) => {
      const [importer, imported] = [unitOf(from), unitOf(to)];
      if (importer === imported) return false;
      if (NEVER[importer]?.includes(imported)) return true;
      if (ALSO[importer]?.includes(imported)) return false;
      return layerOf(imported) >= layerOf(importer);
    })
    .map(({ from, to }) => `src/${from} imports src/${to}`);
}

function cycles(imports: readonly Import[]): string[] {
  const next = Map.groupBy(imports, (edge) => edge.from);
  const done = new Set<string>();
  const found: string[] = [];
  const walk = (file: string, trail: readonly string[]): void => {
    if (trail.includes(file)) {
      found.push([...trail.slice(trail.indexOf(file)), file].join(" -> "));
      return;
    }
    if (done.has(file)) return;
    for (const edge of next.get(file) ?? []) walk(edge.to, [...trail, file]);
    done.add(file);
  };
  for (const file of next.keys()) walk(file, []);
  return found;
}

function readImports(): Import[] {
  const files = readdirSync(ROOT, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && !file.endsWith(".contract.ts"),
  );
  return files.flatMap((from) =>
    [...readFileSync(join(ROOT, from), "utf8").matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g)]
      .map((match) => ({ from, to: relative(ROOT, normalize(join(ROOT, dirname(from), match[1] ?? ""))) }))
      // What lies beside src/ stands in no layer: the manifest, and the bundler that a run from the sources loads.
      .filter(({ to }) => !to.startsWith("..")),
  );
}

describe("architecture", () => {
  const imports = readImports();

  it("reads the imports that are there", () => {
    expect(imports.length).toBeGreaterThan(20);
    expect(imports).toContainEqual({ from: "plan/plan.ts", to: "workflow/workflow.ts" });
  });

  it("has no import that points upward", () => {
    expect(upward(imports)).toEqual([]);
  });

  it("has no cycle", () => {
    expect(cycles(imports)).toEqual([]);
  });

  it.each([
    { from: "lib/deadline.ts", to: "engine/run-step.ts" },
    { from: "plan/plan.ts", to: "action/choose-way.ts" },
    { from: "service/git-endpoint.ts", to: "engine/run-step.ts" },
    { from: "guest/agent.ts", to: "workflow/workflow.ts" },
    { from: "provider/qemu/provider.ts", to: "provider/gvisor/provider.ts" },
    { from: "engine/run-job.ts", to: "compose.ts" },
  ])("would see the planted violation $from -> $to", (planted) => {
    expect(upward([...imports, planted])).toContain(`src/${planted.from} imports src/${planted.to}`);
  });

  it("would see a planted cycle", () => {
    const planted = [
      { from: "plan/plan.ts", to: "plan/planted.ts" },
      { from: "plan/planted.ts", to: "plan/plan.ts" },
    ];
    expect(cycles([...imports, ...planted])).toContain("plan/plan.ts -> plan/planted.ts -> plan/plan.ts");
  });
});
