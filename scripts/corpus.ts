/** `node scripts/corpus.ts [directory]`: the table of a corpus (default ../shared/corpus), by class, and what was refused. */
import { join } from "node:path";
import { planCorpus } from "../test/corpus.ts";

const corpus = process.argv[2] ?? join(import.meta.dirname, "..", "..", "shared", "corpus");
const startedAt = performance.now();
const files = planCorpus(corpus);
const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);

const WIDTHS = [5, 8, 8, 8, 6, 10, 6];
process.stdout.write("class    files  planned  refused  crashed   jobs   declared   held\n");
for (const kind of ["real", "starter"] as const) {
  const own = files.filter((file) => file.kind === kind);
  const count = (outcome: string): number => own.filter((file) => file.outcome === outcome).length;
  const sum = (key: "jobs" | "declared" | "held"): number => own.reduce((total, file) => total + file[key], 0);
  const cells = [
    own.length,
    count("planned"),
    count("refused"),
    count("crashed"),
    sum("jobs"),
    sum("declared"),
    sum("held"),
  ];
  const row = cells.map((cell, column) => String(cell).padStart(WIDTHS[column] ?? 0)).join(" ");
  process.stdout.write(`${kind.padEnd(8)} ${row}\n`);
}
process.stdout.write(`in ${seconds} s\n\n`);
for (const { outcome, kind, message } of files) {
  if (outcome !== "planned" && kind === "real") process.stdout.write(`${outcome}: ${message}\n`);
}
