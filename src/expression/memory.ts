/**
 * What one evaluation holds at a time, so that an expression of a few characters cannot fill the host: GitHub's limit
 * of 1 MB, counted as .NET would (two bytes a character, 24 an object). Values that are let go are no longer counted.
 * Beside it, what an evaluation makes and looks through in all, so that none keeps the host busy for long: the limit is ours,
 * since GitHub evaluates in the job's own machine.
 */
import { isArray, isCollection } from "./coerce.ts";
import { ExpressionError } from "./expression-error.ts";
import { keysOf } from "./ordered-object.ts";
import type { Value } from "./template.ts";

const EVALUATION_MEMORY_BYTES = 1_048_576;
const OBJECT_BYTES = 24;
/** In units of about a third of a nanosecond: what may be made and looked through takes some 0.3 s in all. */
const WORK_UNITS = 1_000_000_000;
const UNITS_OF_ITEM = 300;
const UNITS_OF_KEY = 1_000;
const UNITS_OF_MADE_PIECE = 1_000;

export class Memory {
  #heldBytes = 0;
  #workUnits = 0;

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

  /** As `hold`, of a value that was made, not found. */
  holdMade(value: Value): void {
    this.#spend(UNITS_OF_MADE_PIECE);
    this.hold(value);
  }

  /** Counts a piece of a text in the making. */
  holdPiece(piece: string): void {
    this.#spend(UNITS_OF_MADE_PIECE + piece.length);
    this.#add(2 * piece.length);
  }

  /** Counts a value that is compared, searched or parsed. Throws ExpressionError beyond the limit. */
  lookThrough(value: Value, unitsOfCharacter = 1): void {
    if (typeof value === "string") this.#spend(unitsOfCharacter * value.length);
    else if (isArray(value)) this.#spend(UNITS_OF_ITEM * value.length);
    else if (isCollection(value)) this.#spend(UNITS_OF_KEY * keysOf(value).length);
  }

  #spend(units: number): void {
    this.#workUnits += units;
    if (this.#workUnits > WORK_UNITS) throw new ExpressionError("The expression takes too much work to evaluate");
  }

  #add(bytes: number): void {
    this.#heldBytes += bytes;
    if (this.#heldBytes > EVALUATION_MEMORY_BYTES) {
      throw new ExpressionError("The maximum allowed memory size was exceeded");
    }
  }
}
