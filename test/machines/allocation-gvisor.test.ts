/** Eleven workflows, four at a time, as the smallest machines that gVisor starts well with. */
import { allocationSuite } from "./allocation-suite.ts";

allocationSuite("gvisor", { memoryMib: 512, many: 11, atOnce: 4 });
