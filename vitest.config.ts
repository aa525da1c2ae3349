import { defineConfig } from "vitest/config";

/** They need nothing either, but `npm run check` is to take less than two minutes. */
const long = [
  "test/hostile/**/*.test.ts",
  "test/model/faults.test.ts",
  "test/conformance/background-arrangements.test.ts",
  "test/conformance/action-phases.test.ts",
];

/** `unit` needs nothing but Node and git and runs in `npm run check`; the other projects need machines and run in `npm test`. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "src/**/*.test.ts",
            "test/*.test.ts",
            "test/conformance/**/*.test.ts",
            "test/model/*.test.ts",
            "scripts/**/*.test.ts",
          ],
          exclude: long,
          testTimeout: 20_000,
          // Vitest leaves one out, which of two is half.
          maxWorkers: "100%",
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts", ...long],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "model",
          include: ["test/model/server/*.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: "gvisor",
          include: ["test/machines/*gvisor*.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "qemu",
          include: ["test/machines/*qemu*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "firecracker",
          include: ["test/machines/firecracker*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
