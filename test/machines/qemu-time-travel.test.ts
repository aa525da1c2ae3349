import { timeTravelSuite } from "./time-travel-suite.ts";

timeTravelSuite("qemu", { all: false });
