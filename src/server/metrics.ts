/** `GET /metrics`, for Prometheus. Names and labels are a public format; no label holds what a repository's author chose but its name. */
import type { ServerRun, ServerStore } from "./server-store.ts";
import type { RunChanges } from "./watched-store.ts";

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
}

export interface MetricsParts {
  readonly store: ServerStore;
  readonly changes: RunChanges;
  readonly running: () => number;
  /** Of other parts. */
  readonly numbers?: readonly MetricNumber[];
  readonly histograms?: readonly MetricHistogram[];
}

/** Asked for at each reading. */
export interface MetricNumber {
  /** A counter never goes back while the process lives. */
  readonly kind: "gauge" | "counter";
  /** As Prometheus wants it. */
  readonly name: string;
  readonly help: string;
  readonly value: () => number;
}

/** Counted elsewhere, and asked for at each reading. */
export interface MetricHistogram {
  /** As Prometheus wants it. */
  readonly name: string;
  readonly help: string;
  /** In one unit, that of the name; buckets by their bounds, each without those below it. What is beyond the last bound is in none. */
  readonly read: () => {
    readonly buckets: readonly { readonly atMost: number; readonly count: number }[];
    readonly sum: number;
  };
}

export async function createMetrics(parts: MetricsParts): Promise<Metrics> {
  const { store, changes, running, numbers = [], histograms = [] } = parts;
  // CommonJS: in a bundle it has no other names.
  const { default: prometheus } = await import("prom-client");
  const { Registry, Gauge, Counter, Histogram, collectDefaultMetrics } = prometheus;
  const registry = new Registry();
  const gaugeOf = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers: [],
      collect() {
        this.set(value());
      },
    });
  const counterOf = (name: string, help: string, value: () => number) =>
    new Counter({
      name,
      help,
      registers: [],
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const runs = new Gauge({
    name: "hearth_runs",
    help: "Runs that are kept, by state",
    labelNames: ["state"],
    registers: [],
    collect() {
      for (const [state, count] of Object.entries(store.runs.counts())) this.set({ state }, count);
    },
  });
  registry.registerMetric(runs);
  const single: readonly MetricNumber[] = [
    { kind: "gauge", name: "hearth_workers", help: "Runs that this process is working on", value: running },
    {
      kind: "gauge",
      name: "hearth_deliveries_waiting",
      help: "Deliveries that are not planned",
      value: () => store.deliveries.waiting(),
    },
    {
      kind: "gauge",
      name: "hearth_outbox",
      help: "Reports that GitHub has not taken",
      value: () => store.outbox.size(),
    },
    ...numbers,
  ];
  for (const { kind, name, help, value } of single) {
    registry.registerMetric(kind === "gauge" ? gaugeOf(name, help, value) : counterOf(name, help, value));
  }
  for (const { name, help, read } of histograms) {
    const histogram = new Histogram({ name, help, registers: [] });
    const empty = await histogram.get();
    const get = async () => ({ ...empty, values: histogramValues(name, read()) });
    // The text is made of the second, which would read what was observed here.
    registry.registerMetric(Object.assign(histogram, { get, getForPromString: get }));
  }
  const ended = new Counter({
    name: "hearth_runs_completed_total",
    help: "Runs that have ended since the server started",
    labelNames: ["conclusion"],
    registers,
  });
  const wait = new Histogram({
    name: "hearth_queue_wait_seconds",
    help: "From queued to started",
    buckets: [0.1, 0.5, 1, 5, 15, 60, 300, 1800],
    registers,
  });
  const started = new Set<string>();
  const note = (run: ServerRun): void => {
    const attempt = `${run.id} ${run.attempt}`;
    if (run.state === "running" && run.startedAtMs !== undefined && !started.has(attempt)) {
      started.add(attempt);
      // Both are times of the wall clock, which may have been set meanwhile.
      wait.observe(Math.max(0, run.startedAtMs - run.queuedAtMs) / 1000);
    }
    if (run.state !== "completed") return;
    started.delete(attempt);
    ended.inc({ conclusion: run.conclusion ?? "failure" });
  };
  changes.subscribe(note);
  return { contentType: registry.contentType, text: () => registry.metrics() };
}

/** As Prometheus has them: each bucket with all below it, the last without a bound. */
function histogramValues(name: string, { buckets, sum }: ReturnType<MetricHistogram["read"]>) {
  let count = 0;
  const values = [];
  for (const { atMost, count: within } of buckets.filter(({ atMost: bound }) => Number.isFinite(bound))) {
    count += within;
    values.push({ metricName: `${name}_bucket`, labels: { le: atMost }, value: count });
  }
  count += buckets.find(({ atMost }) => !Number.isFinite(atMost))?.count ?? 0;
  return [
    ...values,
    { metricName: `${name}_bucket`, labels: { le: "+Inf" }, value: count },
    { metricName: `${name}_sum`, labels: {}, value: sum },
    { metricName: `${name}_count`, labels: {}, value: count },
  ];
}
