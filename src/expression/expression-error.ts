/** A fault of an expression or of the data it met. The message is GitHub's own where GitHub has one. */
export class ExpressionError extends Error {
  override readonly name = "ExpressionError";
}
