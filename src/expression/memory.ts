/**
 * What one evaluation holds at a time, so that an expression of a few characters cannot fill the host: GitHub's limit
 * of 1 MB, counted as .NET would (two bytes a character, 24 an object). Values that are let go are no longer counted.
 */
import { isArray } from "./coerce.ts";
import { ExpressionError } from "./expression-error.ts";
import type { Value } from "./template.ts";

const EVALUATION_MEMORY_BYTES = 1_048_576;
const OBJECT_BYTES = 24;

export class Memory {
  #heldBytes = 0;

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Goes back to what was held before, when the values made since are let go. */
  releaseTo(heldBytes: number): void {
    this.#heldBytes = heldBytes;
  }

  /** Counts one value, not what is inside it. Throws ExpressionError beyond the limit. */
  hold(value: Value): void {
    if (typeof value === "string") this.#add(OBJECT_BYTES + 2 * value.length);
    else if (isArray(value)) this.#add(OBJECT_BYTES + 8 * value.length);
    else this.#add(OBJECT_BYTES);
  }

  /** Counts a piece of a text in the making. */
  holdPiece(piece: string): void {
    this.#add(2 * piece.length);
  }

  #add(bytes: number): void {
    this.#heldBytes += bytes;
    if (this.#heldBytes > EVALUATION_MEMORY_BYTES) {
      throw new ExpressionError("The maximum allowed memory size was exceeded");
    }
  }
}
