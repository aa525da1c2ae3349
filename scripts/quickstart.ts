/** `npm run quickstart`: sets up the best isolation this host can have, then runs an example workflow in it. Safe to run again. */
import { runSteps } from "./steps.ts";

process.exitCode = await runSteps([
  { name: "set up", argv: ["node", "src/main.ts", "setup"] },
  { name: "run the example", argv: ["node", "src/main.ts", "run", "examples/node-library"] },
]);
