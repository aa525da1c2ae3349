/** Thrown to the command line's edge when a person cancelled a command that has no outcome of its own: exit 130, no message. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
}
