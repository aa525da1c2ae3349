import { failWith } from "../fail-with.ts";
import { saveFiles } from "../tool-files-cache.ts";

void failWith(() => saveFiles({ tolerant: true }));
