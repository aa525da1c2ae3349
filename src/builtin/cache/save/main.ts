import { failWith } from "../../fail-with.ts";
import { save } from "../../save-cache.ts";

void failWith(save);
