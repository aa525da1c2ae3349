/** Bulk input of a machine that exists in memory only. */
import type { InputRange } from "../../protocol/agent-api.ts";
import type { BulkInput } from "../provider.ts";

const PATH = "/dev/fake-input";

interface FakeInput extends BulkInput {
  /** As the machine's agent reads it. Throws where nothing was written. */
  read(range: InputRange): Buffer;
}

/** `full`: it begins to take an input and then has no room. */
export function fakeInput(full: boolean): FakeInput {
  let content = Buffer.alloc(0);
  return {
    async write(source) {
      const pieces: Uint8Array[] = [];
      for await (const piece of source) {
        if (full) return undefined;
        pieces.push(piece);
      }
      const offsetBytes = content.length;
      content = Buffer.concat([content, ...pieces]);
      return { path: PATH, offsetBytes, lengthBytes: content.length - offsetBytes };
    },
    read({ path, offsetBytes, lengthBytes }) {
      const endBytes = offsetBytes + lengthBytes;
      if (path !== PATH || endBytes > content.length) throw new Error(`no input at ${offsetBytes} of ${path}`);
      return content.subarray(offsetBytes, endBytes);
    },
  };
}
