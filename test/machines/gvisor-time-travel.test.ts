import { timeTravelSuite } from "./time-travel-suite.ts";

timeTravelSuite("gvisor", { all: true });
