/**
 * `node scripts/corpus.ts [directory] [mirrors]`: the table of a corpus (default ../shared/corpus), by class; then what is said of
 * its real files, by message and with an example, so that each can be held against what GitHub would say. With a directory of
 * mirrors (as `--mirror`), actions of other repositories are looked up there, and nowhere else.
 */
import { join, resolve } from "node:path";
import { referenceText } from "../src/action/reference.ts";
import type { RemoteReference } from "../src/action/reference.ts";
import { ActionLibrary } from "../src/select/action-library.ts";
import { ReferencePins } from "../src/select/reference-pins.ts";
import { placesOnHost } from "../src/select/repository-places.ts";
import { planCorpus } from "../test/corpus.ts";
import type { CorpusDiagnostic, CorpusFile } from "../test/corpus.ts";

const corpus = process.argv[2] ?? join(import.meta.dirname, "..", "..", "shared", "corpus");
const startedAt = performance.now();
const files = await planWithMirrors(process.argv[3]);
const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);

const WIDTHS = [7, 7, 8, 8, 6, 7, 6, 9, 6, 7, 9, 12];
const HEAD = ["files", "planned", "refused", "crashed", "plans", "started", "jobs", "declared", "held"];
const KINDS = ["error", "warning", "unsupported"] as const;

write(row("class", [...HEAD, ...KINDS.map((kind) => (kind === "unsupported" ? kind : `${kind}s`))]));
for (const kind of ["real", "starter"] as const) {
  const own = files.filter((file) => file.kind === kind);
  const count = (outcome: CorpusFile["outcome"]): number => own.filter((file) => file.outcome === outcome).length;
  const sum = (key: "plans" | "started" | "jobs" | "declared" | "held"): number =>
    own.reduce((total, file) => total + file[key], 0);
  const ofKind = (kind: CorpusDiagnostic["kind"]): number =>
    own.flatMap(({ diagnostics }) => diagnostics).filter((it) => it.kind === kind).length;
  const cells = [
    own.length,
    ...(["planned", "refused", "crashed"] as const).map(count),
    ...(["plans", "started", "jobs", "declared", "held"] as const).map(sum),
    ...KINDS.map(ofKind),
  ];
  write(row(kind, cells));
}
write(`in ${seconds} s\n`);

const real = files.filter(({ kind }) => kind === "real");
for (const kind of KINDS) {
  const classes = Map.groupBy(
    real.flatMap(({ diagnostics }) => diagnostics).filter((it) => it.kind === kind),
    ({ messageClass }) => messageClass,
  );
  for (const [messageClass, found] of [...classes].toSorted(([, a], [, b]) => b.length - a.length)) {
    write(`\n${String(found.length).padStart(5)}  ${kind}: ${messageClass}`);
    write(`       ${found[0]?.text ?? ""}`);
  }
}
for (const { outcome, message } of real) if (outcome === "crashed") write(`\ncrashed: ${message}`);

/** Level by level: what planning asks for and does not know is looked up, and the corpus is planned again. */
async function planWithMirrors(mirrorDir: string | undefined): Promise<readonly CorpusFile[]> {
  if (mirrorDir === undefined) return planCorpus(corpus);
  const pins = new ReferencePins(undefined, { locked: false, own: { owner: "o", name: "r" } });
  const library = new ActionLibrary(
    placesOnHost(undefined, resolve(mirrorDir)).map((find) => ({ find, kind: "local" as const })),
    pins,
  );
  for (;;) {
    const lacking = new Map<string, RemoteReference>();
    const planned = planCorpus(corpus, (reference) => {
      const known = library.find(reference);
      if (known === undefined) lacking.set(referenceText(reference), reference);
      return known;
    });
    if (lacking.size === 0) {
      const found = library.all().filter(({ known }) => known.kind === "found").length;
      write(`actions of other repositories: ${library.all().length} references, ${found} in ${mirrorDir}`);
      return planned;
    }
    await Promise.all([...lacking.values()].map((reference) => library.load(reference)));
  }
}

function row(name: string, cells: readonly (string | number)[]): string {
  return `${name.padEnd(8)}${cells.map((cell, column) => String(cell).padStart((WIDTHS[column] ?? 0) + 1)).join("")}`;
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
