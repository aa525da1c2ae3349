/** Fewer than with gVisor: where there is no KVM a machine takes 5 to 10 s of both cores to boot. */
import { allocationSuite } from "./allocation-suite.ts";

allocationSuite("qemu", { memoryMib: 1024, many: 4, atOnce: 2 });
