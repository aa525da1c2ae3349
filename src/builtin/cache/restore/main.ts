import { failWith } from "../../fail-with.ts";
import { restore } from "../../restore-cache.ts";

void failWith(() => restore({ tell: true }));
