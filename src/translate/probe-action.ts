/** Where the action is that looks at what a step leaves behind: beside the sources, and beside the release's one file. */
import { join } from "node:path";

export const PROBE_ACTION = join(import.meta.dirname, "probe");
